import { describe, expect, test } from "@jest/globals";
import { fuse, presentModalities } from "../fusion/fusion.js";
import type { ConcatenationFusion } from "../fusion/fusion.js";
import { identity, matrix } from "../vectors/matrix.js";
import { orthogonalProjection } from "../vectors/projection.js";
import { mulberry32, randomVector } from "../vectors/random.js";
import {
  applyTower,
  assertSimilarityModel,
  blockNorms,
  modalityAdaptiveSimilarity,
  modalityAdaptiveWeights,
  sharedBlockCosine,
  sharedBlockScale,
  similarity,
  similarityFromDot,
} from "./similarity.js";
import type { ModalityAdaptiveSimilarity, TwoTowerSimilarity } from "./similarity.js";
import { cosine, dot, normalise, weightedSum } from "../vectors/vector.js";

const v = (...elements: number[]): Float32Array => new Float32Array(elements);

const fusion: ConcatenationFusion = {
  strategy: "concatenation",
  modalities: [
    { name: "text", dims: 2, weight: 1 },
    { name: "image", dims: 2, weight: 2 },
  ],
  normaliseOutput: true,
};

describe("similarity", () => {
  test("dot and cosine are chosen by the model", () => {
    const [u, w] = [v(3, 4, 0, 0), v(2, 0, 0, 0)];
    expect(similarity({ kind: "dot" }, fusion, u, w)).toBe(6);
    expect(similarity({ kind: "cosine" }, fusion, u, w)).toBeCloseTo(0.6, 12);
  });

  test("a similarity by blocks refuses a fusion without blocks", () => {
    const sum = { ...fusion, strategy: "weighted-sum" } as const;
    for (const model of [
      { kind: "shared-block-cosine" } as const,
      { kind: "modality-adaptive", modalities: {} } as const,
    ]) {
      expect(() => similarity(model, sum, v(1, 2), v(1, 2))).toThrow("needs a concatenation");
      expect(() => assertSimilarityModel(model, sum)).toThrow("needs a concatenation");
    }
  });
});

describe("similarity from an index's dot product", () => {
  test.each([{ kind: "dot" }, { kind: "cosine" }, { kind: "shared-block-cosine" }] as const)(
    "$kind equals the similarity with the item's vector at hand, whichever modality it lacks",
    (model) => {
      const uniform = mulberry32(11);
      const user = randomVector(uniform, 4);
      for (const some of [["text"], ["image"], ["text", "image"]]) {
        const item = Object.fromEntries(some.map((name) => [name, randomVector(uniform, 2)]));
        const fused = fuse(fusion, item)!;
        const fromDot = similarityFromDot(model, fusion, user)!;
        const expected = similarity(model, fusion, user, fused);
        expect(fromDot(dot(user, fused), presentModalities(fusion, item))).toBeCloseTo(expected, 6);
      }
    },
  );

  test("says where the item's vector is needed", () => {
    const unnormalised = { ...fusion, normaliseOutput: false };
    const adaptive = { kind: "modality-adaptive", modalities: {} } as const;
    expect(similarityFromDot({ kind: "cosine" }, unnormalised, v(1, 2, 3, 4))).toBeUndefined();
    expect(similarityFromDot(adaptive, fusion, v(1, 2, 3, 4))).toBeUndefined();
  });
});

describe("shared-block cosine", () => {
  test("gives the value computed by hand over the blocks that both have", () => {
    const item = v(0, 0, 0, 5);
    // Only the image is shared: (2, 2)'(0, 5) / (sqrt 8 * 5).
    expect(sharedBlockCosine(fusion, v(3, 4, 2, 2), item)).toBeCloseTo(Math.SQRT1_2, 12);
    // Both are shared: (3 + 2) / (sqrt 33 * sqrt 2).
    const value = sharedBlockCosine(fusion, v(3, 4, 2, 2), v(1, 0, 1, 0));
    expect(value).toBeCloseTo(5 / Math.sqrt(66), 12);
  });

  test("is the cosine where both sides have everything, and 0 where they share nothing", () => {
    const uniform = mulberry32(4);
    const [u, w] = [randomVector(uniform, 4), randomVector(uniform, 4)];
    expect(sharedBlockCosine(fusion, u, w)).toBeCloseTo(cosine(u, w), 12);
    expect(sharedBlockCosine(fusion, v(1, 2, 0, 0), v(0, 0, 1, 2))).toBe(0);
  });

  test("a modality that the product lacks does not pull the product down", () => {
    const user = normalise(v(1, 0, 1, 0));
    const textOnly = v(1, 0, 0, 0);
    expect(cosine(user, textOnly)).toBeCloseTo(Math.SQRT1_2, 6);
    expect(sharedBlockCosine(fusion, user, textOnly)).toBeCloseTo(1, 6);
  });

  test.each([true, false])(
    "the scale takes a raw dot product to the same value without the item's vector (normalised %s)",
    (normaliseOutput) => {
      const uniform = mulberry32(8);
      const model: ConcatenationFusion = {
        strategy: "concatenation",
        modalities: [
          { name: "text", dims: 6, weight: Math.sqrt(0.6) },
          { name: "image", dims: 9, weight: 1.3, projection: orthogonalProjection(9, 4, 1) },
          { name: "video", dims: 3, weight: 0.2, projection: orthogonalProjection(3, 5, 1) },
        ],
        normaliseOutput,
      };
      const product = (present: readonly number[]) =>
        Object.fromEntries(
          present.map((i) => {
            const { name, dims } = model.modalities[i]!;
            return [name, randomVector(uniform, dims)];
          }),
        );
      const presences = [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]];
      let compared = 0;
      for (const userPresence of presences) {
        // A user's vector is a pool of products: neither of length 1 nor with blocks of length w_m.
        const user = weightedSum(
          [fuse(model, product(userPresence))!, fuse(model, product(userPresence.slice(0, 1)))!],
          [0.7, 0.9],
        );
        const norms = blockNorms(model, user);
        for (const itemPresence of presences) {
          const vectors = product(itemPresence);
          const item = fuse(model, vectors)!;
          const scale = sharedBlockScale(norms, presentModalities(model, vectors), model);
          const expected = sharedBlockCosine(model, user, item);
          expect(dot(user, item) * scale).toBeCloseTo(expected, 6);
          if (scale > 0 && Math.abs(expected) > 1e-3) compared += 1;
        }
      }
      expect(compared).toBeGreaterThan(20);
    },
  );

  test("the scale is 0 where nothing is shared, and refuses an unknown modality", () => {
    expect(sharedBlockScale({ text: 1, image: 0 }, ["image"], fusion)).toBe(0);
    expect(sharedBlockScale({ text: 1 }, [], fusion)).toBe(0);
    expect(() => sharedBlockScale({ text: 1 }, ["smell"], fusion)).toThrow("smell: no modality");
  });

  test("vectors of other dimensions are refused", () => {
    expect(() => sharedBlockCosine(fusion, v(1), v(1, 2, 3, 4))).toThrow("expected 4 dimensions");
    expect(() => blockNorms(fusion, v(1, 2, 3))).toThrow("expected 4 dimensions, got 3");
  });

  test("block norms are the lengths of the blocks", () => {
    expect(blockNorms(fusion, v(3, 4, 0, 0))).toEqual({ text: 5, image: 0 });
  });
});

describe("two towers", () => {
  const model: TwoTowerSimilarity = {
    kind: "two-tower",
    user: { weight: matrix(1, 4, v(1, 0, 0, 2)), bias: v(-1) },
    item: { weight: matrix(1, 4, v(0, 3, 0, 0)) },
    normaliseOutput: false,
  };

  test("apply a linear layer to each side and take the inner product", () => {
    // f_u = 1 + 8 - 1 = 8, f_v = 6
    expect(similarity(model, fusion, v(1, 2, 3, 4), v(1, 2, 3, 4))).toBe(48);
    const unit = { ...model, normaliseOutput: true };
    expect(similarity(unit, fusion, v(1, 2, 3, 4), v(1, -2, 3, 4))).toBeCloseTo(-1, 6);
  });

  test("a missing tower is the identity and never changes its input", () => {
    const bare: TwoTowerSimilarity = { kind: "two-tower", normaliseOutput: false };
    expect(similarity(bare, fusion, v(1, 2, 3, 4), v(1, 0, 0, 1))).toBe(5);
    const input = v(3, 4);
    applyTower({ weight: identity(2), bias: v(1, 1) }, true, input);
    expect(Array.from(input)).toEqual([3, 4]);
  });

  test("towers that do not fit are refused by name", () => {
    expect(() => assertSimilarityModel(model, fusion)).not.toThrow();
    const wide = { weight: identity(3) };
    expect(() => assertSimilarityModel({ ...model, user: wide }, fusion)).toThrow(
      "similarity.user.weight: expected 4",
    );
    expect(() =>
      assertSimilarityModel({ ...model, item: { weight: identity(4) } }, fusion),
    ).toThrow("similarity.item: expected 1 dimensions, got 4");
    const biased = { weight: matrix(1, 4), bias: v(1, 2) };
    expect(() => assertSimilarityModel({ ...model, item: biased }, fusion)).toThrow(
      "similarity.item.bias",
    );
    expect(() => applyTower(biased, false, v(1, 2, 3, 4))).toThrow("bias has 2 dimensions");
  });
});

describe("modality-adaptive similarity", () => {
  const model: ModalityAdaptiveSimilarity = {
    kind: "modality-adaptive",
    modalities: {
      text: { bias: 0, user: v(Math.log(3), 0) },
      image: { bias: 0, item: v(0, Math.log(2)) },
    },
  };

  test("gives the weights and the value computed by hand", () => {
    // Scores: text ln 3 (the user), image ln 2 (the product); cosines 1 and 0.8.
    const [user, item] = [v(2, 0, 3, 4), v(7, 0, 0, 1)];
    const weights = modalityAdaptiveWeights(model, fusion, user, item);
    expect(weights["text"]).toBeCloseTo(0.6, 6);
    expect(weights["image"]).toBeCloseTo(0.4, 6);
    expect(similarity(model, fusion, user, item)).toBeCloseTo(0.6 + 0.4 * 0.8, 6);
  });

  test("a user who follows pictures weighs pictures more than one who follows words", () => {
    const item = v(1, 0, 1, 0);
    const words = modalityAdaptiveWeights(model, fusion, v(1, 0, 1, 0), item);
    const pictures = modalityAdaptiveWeights(model, fusion, v(-1, 0, 1, 0), item);
    expect(pictures["image"]!).toBeGreaterThan(words["image"]!);
  });

  test("only shared modalities take part and their weights sum to one", () => {
    expect(modalityAdaptiveWeights(model, fusion, v(2, 0, 3, 4), v(0, 0, 0, 1))).toEqual({
      image: 1,
    });
    expect(modalityAdaptiveWeights(model, fusion, v(2, 0, 0, 0), v(0, 0, 0, 1))).toEqual({});
    expect(modalityAdaptiveSimilarity(model, fusion, v(2, 0, 0, 0), v(0, 0, 0, 1))).toBe(0);
    const uniform = mulberry32(6);
    const [u, w] = [randomVector(uniform, 4), randomVector(uniform, 4)];
    const weights = Object.values(modalityAdaptiveWeights(model, fusion, u, w));
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
  });

  test("a modality that is not listed scores 0", () => {
    const bare = { ...model, modalities: { image: { bias: Math.log(3) } } };
    const weights = modalityAdaptiveWeights(bare, fusion, v(1, 0, 1, 0), v(1, 0, 1, 0));
    expect(weights["text"]).toBeCloseTo(0.25, 12);
  });

  test("scores that do not fit the blocks are refused by name", () => {
    expect(() => assertSimilarityModel(model, fusion)).not.toThrow();
    const smell = { ...model, modalities: { smell: { bias: 0 } } };
    expect(() => assertSimilarityModel(smell, fusion)).toThrow("similarity.modalities.smell");
    const long = { ...model, modalities: { text: { bias: 0, user: v(1, 2, 3) } } };
    expect(() => assertSimilarityModel(long, fusion)).toThrow(
      "similarity.modalities.text: expected 2",
    );
  });
});
