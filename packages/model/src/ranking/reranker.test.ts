import { expect, test } from "@jest/globals";
import { mulberry32, randomVector } from "../vectors/random.js";
import {
  assertRerankerModel,
  featureNames,
  rerankerFeatures,
  rerankerParts,
  weighsNeighbours,
} from "./reranker.js";
import type { RerankedUser } from "./reranker.js";

const VECTORS: Readonly<Record<string, Float32Array>> = {
  a: Float32Array.of(2, 0),
  b: Float32Array.of(0, 3),
  c: Float32Array.of(3, 4),
};

function userOf(history: readonly string[], candidates: readonly string[]): RerankedUser<string> {
  return {
    history,
    candidates: candidates.map((product) => ({ product, popularity: 0.25 })),
    vectorOf: (space, product) => (space === "fused" ? VECTORS[product] : undefined),
  };
}

const NAMES = featureNames(["fused"]);

function featuresOf(history: readonly string[], candidate: string, historyMax = 30) {
  const row = rerankerFeatures(userOf(history, [candidate]), NAMES, historyMax);
  return Object.fromEntries(NAMES.map((name, column) => [name, row[column]]));
}

test("features are the largest, second and last cosine, by hand", () => {
  const features = featuresOf(["a", "b"], "c");
  expect(features).toMatchObject({ popularity: 0.25, own: 0, "own-last": 0 });
  expect(features["fused:max"]).toBeCloseTo(0.8, 12);
  expect(features["fused:second"]).toBeCloseTo(0.6, 12);
  expect(features["fused:last"]).toBeCloseTo(0.8, 12);
});

test("a product's likeness with itself counts as 0, wherever it stands in the history", () => {
  const features = featuresOf(["a", "c", "c"], "c");
  expect(features).toMatchObject({ own: 1, "own-last": 1, "fused:second": 0, "fused:last": 0 });
  expect(features["fused:max"]).toBeCloseTo(0.6, 12);
});

test("only the last interactions count", () => {
  expect(featuresOf(["c", "a", "b"], "c", 2)).toMatchObject({ own: 0 });
  expect(featuresOf(["b", "a"], "c", 1)["fused:max"]).toBeCloseTo(0.6, 12);
});

test("without a vector, or without a history, features are 0", () => {
  for (const features of [featuresOf(["a"], "unknown"), featuresOf([], "c")]) {
    expect(features).toMatchObject({ "fused:max": 0, "fused:second": 0, "fused:last": 0 });
  }
});

const NEIGHBOURS: Readonly<Record<string, ReadonlyMap<string, number>>> = {
  a: new Map([
    ["c", 0.5],
    ["d", 0.25],
  ]),
  // "c" of itself is no neighbour, whatever the data say.
  c: new Map([
    ["a", 0.5],
    ["c", 9],
  ]),
};

function neighboursIn(history: readonly string[], candidates: readonly string[], historyMax = 30) {
  const user = {
    ...userOf(history, candidates),
    neighboursOf: (product: string) => NEIGHBOURS[product],
  };
  return Array.from(rerankerFeatures(user, ["neighbours"], historyMax));
}

test("neighbours are summed over the interactions, each age at .8 of the one before, by hand", () => {
  // Ages 0, 1 and 2 are a, b (which has no neighbours) and a.
  const [c, d, a] = neighboursIn(["a", "b", "a"], ["c", "d", "a"]);
  expect(c).toBeCloseTo(0.5 + 0.64 * 0.5, 12);
  expect(d).toBeCloseTo(0.25 + 0.64 * 0.25, 12);
  expect(a).toBe(0);
  expect(neighboursIn(["a", "c"], ["c", "a"], 1)).toEqual([0, 0.5]);
  const [own] = neighboursIn(["a", "c"], ["c"]);
  expect(own).toBeCloseTo(0.8 * 0.5, 12);
});

test("without neighbours, or without a history, that feature is 0", () => {
  expect(featuresOf(["a"], "c")).toMatchObject({ neighbours: 0 });
  expect(neighboursIn([], ["c"])).toEqual([0]);
});

test("own products are counted among the last behaviours", () => {
  expect(featuresOf(["c", "c", "a", "c"], "c", 3)).toMatchObject({ "own-count": 2 });
  expect(featuresOf(["a"], "c")).toMatchObject({ "own-count": 0 });
});

test("a model needs neighbours where it weighs them", () => {
  const model = { candidates: 200, historyMax: 30 };
  expect(weighsNeighbours({ ...model, features: { neighbours: -0.1 } })).toBe(true);
  expect(weighsNeighbours({ ...model, features: { neighbours: 0 } })).toBe(false);
  expect(weighsNeighbours({ ...model, features: { own: 1 } })).toBe(false);
});

test("the part is the weighted sum of the features, whatever the order of the candidates", () => {
  const uniform = mulberry32(3);
  const vectors = new Map(
    Array.from({ length: 20 }, (_, i) => [i, randomVector(uniform, 5)] as const),
  );
  const candidates = [...vectors.keys()].map((product) => ({
    product,
    popularity: uniform(),
  }));
  const names = featureNames(["fused", "text"]);
  const features = Object.fromEntries(names.map((name) => [name, uniform() - 0.5]));
  const user: RerankedUser<number> = {
    history: [3, 7, 1],
    candidates,
    vectorOf: (_space, product) => vectors.get(product),
    neighboursOf: (product) => [[(product + 1) % 20, 0.3]],
  };
  const model = { candidates: 20, historyMax: 30, features };
  const parts = rerankerParts(model, user);
  const rows = rerankerFeatures(user, names, 30);
  for (const [row, part] of parts.entries()) {
    const sum = names.reduce(
      (total, name, column) => total + features[name]! * rows[row * names.length + column]!,
      0,
    );
    expect(part).toBeCloseTo(sum, 12);
  }
  const backwards = rerankerParts(model, { ...user, candidates: candidates.toReversed() });
  expect(Array.from(backwards).toReversed()).toEqual(Array.from(parts));
});

test("a feature that there is not is refused by the field's name", () => {
  const model = { candidates: 200, historyMax: 30, features: { own: -1 } };
  expect(() => assertRerankerModel(model, ["text"])).not.toThrow();
  for (const [wrong, message] of [
    [{ features: { "sound:max": 1 } }, "reranker.features.sound:max: unknown feature"],
    [{ features: { "text:least": 1 } }, "reranker.features.text:least: unknown feature"],
    [{ candidates: 0 }, "reranker.candidates: expected a whole number"],
    [{ historyMax: 0.5 }, "reranker.historyMax: expected a whole number"],
    [{ features: { own: NaN } }, "reranker.features.own: expected a number, got NaN"],
  ] as const) {
    expect(() => assertRerankerModel({ ...model, ...wrong }, ["text"])).toThrow(message);
  }
});

test("a name that is no feature is refused", () => {
  expect(() => rerankerFeatures(userOf(["a"], ["b"]), ["fused:best"], 30)).toThrow(
    "re-ranker: no feature fused:best",
  );
});
