import { describe, expect, test } from "@jest/globals";
import {
  assertFusionModel,
  attentionWeights,
  fuse,
  fusedDims,
  presentModalities,
} from "./fusion.js";
import type { AttentionScorer, FusionModel, ModalityVectors } from "./fusion.js";
import { identity, matrix, matVec } from "../vectors/matrix.js";
import { orthogonalProjection } from "../vectors/projection.js";
import { mulberry32, randomVector } from "../vectors/random.js";
import { norm, normalise } from "../vectors/vector.js";

const v = (...elements: number[]): Float32Array => new Float32Array(elements);

function expectClose(got: Float32Array | undefined, expected: ArrayLike<number>, digits = 6): void {
  expect(got).toBeDefined();
  expect(got!.length).toBe(expected.length);
  Array.from(expected).forEach((x, i) => expect(got![i]).toBeCloseTo(x, digits));
}

const uniform = mulberry32(20);
const random = (rows: number, cols: number) =>
  matrix(rows, cols, randomVector(uniform, rows * cols));

/** Three modalities of different widths in a space of 4 dimensions. */
const modalities = [
  { name: "text", dims: 6, projection: random(4, 6) },
  { name: "image", dims: 5, projection: random(4, 5) },
  { name: "video", dims: 4 },
];
const weighted = modalities.map((modality, i) => ({ ...modality, weight: 0.5 + i }));
const scorers: AttentionScorer[] = [
  { kind: "linear", weight: random(4, 3) },
  {
    kind: "bilinear",
    weight: random(4, 3),
    valueBias: randomVector(uniform, 4),
    queryBias: randomVector(uniform, 3),
    bias: 0.7,
  },
  { kind: "tanh", weight: random(4, 3) },
];

/** Every strategy once, unnormalised, with random parameters. */
const models: [string, FusionModel][] = [
  ["concatenation", { strategy: "concatenation", modalities: weighted, normaliseOutput: false }],
  ["weighted sum", { strategy: "weighted-sum", modalities: weighted, normaliseOutput: false }],
  ...scorers.map((scorer): [string, FusionModel] => [
    `attention, ${scorer.kind}`,
    {
      strategy: "attention",
      modalities: modalities.map((modality, i) => ({ ...modality, bias: i / 4 })),
      query: randomVector(uniform, 3),
      scorer,
      normaliseOutput: false,
    },
  ]),
  ...(["sum", "concatenation"] as const).map((queryFrom): [string, FusionModel] => [
    `self-attention, ${queryFrom}`,
    {
      strategy: "self-attention",
      modalities,
      queryFrom,
      query: random(2, queryFrom === "sum" ? 4 : 12),
      key: random(2, 4),
      value: random(3, 4),
      normaliseOutput: false,
    },
  ]),
];

const vectors = (): Record<string, Float32Array> => ({
  text: randomVector(uniform, 6),
  image: randomVector(uniform, 5),
  video: randomVector(uniform, 4),
});

/** The same model with its modalities in reverse order. */
function reversed(model: FusionModel): FusionModel {
  const inverted = { ...model, modalities: model.modalities.toReversed() } as FusionModel;
  if (inverted.strategy !== "self-attention" || inverted.queryFrom === "sum") return inverted;
  const query = matrix(2, 12);
  for (let row = 0; row < 2; row += 1) {
    for (let block = 0; block < 3; block += 1) {
      const from = row * 12 + (2 - block) * 4;
      query.data.set(inverted.query.data.subarray(from, from + 4), row * 12 + block * 4);
    }
  }
  return { ...inverted, query };
}

describe("whitening", () => {
  const whitening = { centre: v(0.6, 0), weight: matrix(2, 2, v(5, 0, 0, 2.5)) };
  const model = (extra: object = {}): FusionModel => ({
    strategy: "weighted-sum",
    modalities: [
      { name: "text", dims: 2, weight: 1, whitening, ...extra },
      { name: "image", dims: 2, weight: 1 },
    ],
    normaliseOutput: false,
  });

  test("by hand: norm(W (v / |v| - c)), whatever the length of v", () => {
    // (3, 4) / 5 - (.6, 0) = (0, .8), times W (0, 2), of length 1 (0, 1).
    expectClose(fuse(model(), { text: v(3, 4) }), [0, 1]);
    expectClose(fuse(model(), { text: v(0.3, 0.4) }), [0, 1]);
    // (1, 0) - (.6, 0) = (.4, 0).
    expectClose(fuse(model(), { text: v(7, 0), image: v(0, 3) }), [0.5, 0.5]);
  });

  test("the projection comes behind it and may change the dimensions", () => {
    const projection = matrix(2, 2, v(0, 1, 3, 0));
    expectClose(fuse(model({ projection }), { text: v(3, 4) }), [1, 0]);
    const narrow = { ...whitening, weight: matrix(1, 2, v(0, 1)) };
    const to = { whitening: narrow, projection: matrix(2, 1, v(2, -2)) };
    expectClose(fuse(model(to), { text: v(3, 4) }), [2, -2]);
    expect(() => assertFusionModel(model(to))).not.toThrow();
  });

  test("an absent modality stays masked: no constant vector stands in its place", () => {
    expectClose(fuse(model(), { image: v(0, 3) }), [0, 1]);
    expectClose(fuse(model(), { text: v(0, 0), image: v(0, 3) }), [0, 1]);
  });

  test("shapes that do not fit are refused by name", () => {
    expect(() => assertFusionModel(model({ whitening: { ...whitening, centre: v(1) } }))).toThrow(
      "fusion.modalities.text.whitening.centre",
    );
    expect(() =>
      assertFusionModel(model({ whitening: { ...whitening, weight: matrix(2, 1) } })),
    ).toThrow("fusion.modalities.text.whitening.weight");
    expect(() => assertFusionModel(model({ projection: matrix(2, 3) }))).toThrow(
      "fusion.modalities.text.projection",
    );
  });
});

describe("fusion by hand-computed values", () => {
  const two = [
    { name: "text", dims: 2, weight: 3 },
    { name: "image", dims: 2, weight: 1 },
  ];

  test("concatenation puts weight times unit vector into each block", () => {
    const model: FusionModel = {
      strategy: "concatenation",
      modalities: two,
      normaliseOutput: false,
    };
    expect(fusedDims(model)).toBe(4);
    expectClose(fuse(model, { text: v(30, 40), image: v(0, 2) }), [1.8, 2.4, 0, 1]);
    expectClose(fuse(model, { image: v(0, 2) }), [0, 0, 0, 1]);
    const unit: FusionModel = { ...model, normaliseOutput: true };
    const root = Math.sqrt(10);
    expectClose(
      fuse(unit, { text: v(30, 40), image: v(0, 2) }),
      [1.8, 2.4, 0, 1].map((x) => x / root),
    );
    expect(attentionWeights(model, { text: v(1, 0), image: v(0, 2) })).toEqual({
      text: 0.9,
      image: 0.1,
    });
  });

  test("a block keeps its length behind a projection that shortens", () => {
    const projection = orthogonalProjection(40, 10, 3);
    const model: FusionModel = {
      strategy: "concatenation",
      modalities: [{ name: "image", dims: 40, projection, weight: 0.5 }],
      normaliseOutput: false,
    };
    expect(fusedDims(model)).toBe(10);
    expect(norm(fuse(model, { image: randomVector(uniform, 40) })!)).toBeCloseTo(0.5, 6);
  });

  test("a weighted sum divides by the weights of the present modalities only", () => {
    const model: FusionModel = {
      strategy: "weighted-sum",
      modalities: two,
      normaliseOutput: false,
    };
    expectClose(fuse(model, { text: v(5, 0), image: v(0, 7) }), [0.75, 0.25]);
    expectClose(fuse(model, { image: v(0, 7) }), [0, 1]);
  });

  test("each scorer gives the attention computed by hand", () => {
    // P v: text (1, 0), image (0, 1). W q = (ln 3, 0).
    const weight = matrix(2, 1, v(1, 0));
    const query = v(Math.log(3));
    const attention = (scorer: AttentionScorer): FusionModel => ({
      strategy: "attention",
      modalities: two.map(({ name, dims }) => ({ name, dims })),
      query,
      scorer,
      normaliseOutput: false,
    });
    const both = { text: v(2, 0), image: v(0, 3) };
    expectClose(fuse(attention({ kind: "linear", weight }), both), [0.75, 0.25]);
    // b'v adds ln 3 to the image; c'q + d adds the same to both.
    const bilinear: AttentionScorer = {
      kind: "bilinear",
      weight,
      valueBias: v(0, Math.log(3)),
      queryBias: v(2),
      bias: -5,
    };
    expectClose(fuse(attention(bilinear), both), [0.5, 0.5]);
    // tanh(ln 3) = (3 - 1/3) / (3 + 1/3) = 0.8
    const share = Math.exp(0.8) / (Math.exp(0.8) + 1);
    expectClose(fuse(attention({ kind: "tanh", weight }), both), [share, 1 - share]);
  });

  test("a modality's bias enters its score", () => {
    const model: FusionModel = {
      strategy: "attention",
      modalities: [
        { name: "text", dims: 2, bias: Math.log(3) },
        { name: "image", dims: 2 },
      ],
      query: v(0),
      scorer: { kind: "linear", weight: matrix(2, 1) },
      normaliseOutput: false,
    };
    expectClose(fuse(model, { text: v(1, 0), image: v(0, 1) }), [0.75, 0.25]);
  });

  test("self-attention gives the value computed by hand, from the sum and the concatenation", () => {
    const swap = matrix(2, 2, v(0, 1, 1, 0));
    const base = {
      strategy: "self-attention",
      modalities: two.map(({ name, dims }) => ({ name, dims })),
      key: identity(2),
      value: swap,
      normaliseOutput: false,
    } as const;
    const both = { text: v(1, 0), image: v(0, 1) };
    // s = (1, 1), q = (2, 1): scores 2 / sqrt 2 and 1 / sqrt 2, x = the swapped vectors.
    const sum: FusionModel = { ...base, queryFrom: "sum", query: matrix(2, 2, v(2, 0, 0, 1)) };
    const a = 1 / (1 + Math.exp(-1 / Math.SQRT2));
    expectClose(fuse(sum, both), [1 - a, a]);
    // s = (1, 0, 0, 1), q = (3, 2): the same difference of scores.
    const concatenation: FusionModel = {
      ...base,
      queryFrom: "concatenation",
      query: matrix(2, 4, v(3, 9, 9, 0, 1, 9, 9, 1)),
    };
    expectClose(fuse(concatenation, both), [1 - a, a]);
    expect(attentionWeights(concatenation, both)["text"]).toBeCloseTo(a, 6);
  });
});

describe.each(models)("fusion by %s", (_, model) => {
  test("the model holds together and the fused vector has the promised dimensions", () => {
    expect(() => assertFusionModel(model)).not.toThrow();
    expect(fuse(model, vectors())!.length).toBe(fusedDims(model));
  });

  test("weights are those of the present modalities and sum to one", () => {
    const all = vectors();
    const subsets: ModalityVectors[] = [
      all,
      { text: all["text"]!, video: all["video"]! },
      { image: all["image"]! },
    ];
    for (const subset of subsets) {
      const weights = attentionWeights(model, subset);
      expect(Object.keys(weights).sort()).toEqual(Object.keys(subset).sort());
      expect(Object.values(weights).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    }
  });

  test("the order of the vectors changes nothing", () => {
    const { text, image, video } = vectors();
    const one = fuse(model, { text: text!, image: image!, video: video! })!;
    const other = fuse(model, { video: video!, image: image!, text: text! })!;
    expect(Array.from(other)).toEqual(Array.from(one));
  });

  test("the order of the model's modalities changes no weight and only the place of blocks", () => {
    const all = vectors();
    const weights = attentionWeights(model, all);
    const otherWeights = attentionWeights(reversed(model), all);
    for (const name of Object.keys(weights)) {
      expect(otherWeights[name]).toBeCloseTo(weights[name]!, 6);
    }
    const fused = fuse(model, all)!;
    const other = fuse(reversed(model), all)!;
    if (model.strategy !== "concatenation") return expectClose(other, fused, 5);
    expectClose(other, [...fused.slice(8), ...fused.slice(4, 8), ...fused.slice(0, 4)]);
  });

  test("the length of a modality's vector does not count", () => {
    const all = vectors();
    const longer = { ...all, text: all["text"]!.map((x) => 8 * x) };
    expectClose(fuse(model, longer), fuse(model, all)!, 5);
  });

  test("a zero vector and an unknown modality count as absent", () => {
    const { text } = vectors();
    const alone = Array.from(fuse(model, { text: text! })!);
    const zero = { text: text!, image: new Float32Array(5), smell: v(1) };
    expect(Array.from(fuse(model, zero)!)).toEqual(alone);
    expect(presentModalities(model, zero)).toEqual(["text"]);
    expect(fuse(model, {})).toBeUndefined();
    expect(fuse(model, { image: new Float32Array(5) })).toBeUndefined();
    expect(attentionWeights(model, {})).toEqual({});
  });

  test("wrong dimensions and non-finite elements are refused by name", () => {
    expect(() => fuse(model, { text: v(1, 2) })).toThrow("text: expected 6 dimensions, got 2");
    const broken = new Float32Array(5).fill(Number.NaN);
    expect(() => fuse(model, { image: broken })).toThrow("image: element 0 is NaN");
  });

  test("the normalised output has length one and the same direction", () => {
    const all = vectors();
    const unit = fuse({ ...model, normaliseOutput: true }, all)!;
    expect(norm(unit)).toBeCloseTo(1, 6);
    expectClose(unit, normalise(fuse(model, all)!));
  });
});

describe("fusion with modalities missing", () => {
  test.each(models)("%s of one modality gives that modality", (_, model) => {
    const { image } = vectors();
    const projected = matVec(modalities[1]!.projection!, normalise(image!));
    const fused = fuse(model, { image: image! });
    if (model.strategy === "concatenation") {
      const block = normalise(projected).map((x) => 1.5 * x);
      return expectClose(fused, [0, 0, 0, 0, ...block, 0, 0, 0, 0]);
    }
    if (model.strategy === "self-attention") {
      return expectClose(fused, matVec(model.value, projected), 5);
    }
    expectClose(fused, projected);
  });

  const summing = models.filter(([, { strategy }]) => /^weighted-sum$|^attention$/.test(strategy));
  test.each(summing)("%s with one absent is the model without it", (_, model) => {
    const { text, video } = vectors();
    const without = {
      ...model,
      modalities: model.modalities.filter(({ name }) => name !== "image"),
    } as FusionModel;
    const present = { text: text!, video: video! };
    expectClose(fuse(model, present), fuse(without, present)!);
  });

  test("self-attention from the concatenation leaves out the query's columns of the absent", () => {
    const model = models.at(-1)![1];
    if (model.strategy !== "self-attention") throw new Error("expected self-attention");
    const { text, video } = vectors();
    const data = model.query.data.slice();
    // Columns 4 to 7 belong to the image.
    for (const row of [0, 1]) data.fill(99, row * 12 + 4, row * 12 + 8);
    const present = { text: text!, video: video! };
    const other = { ...model, query: matrix(2, 12, data) };
    expect(attentionWeights(other, present)).toEqual(attentionWeights(model, present));
  });
});

describe("models that do not hold together", () => {
  const text = { name: "text", dims: 2, weight: 1 };
  const sum = (
    ...list: (typeof text & { projection?: ReturnType<typeof identity> })[]
  ): FusionModel => ({
    strategy: "weighted-sum",
    modalities: list,
    normaliseOutput: true,
  });

  test.each<[string, FusionModel]>([
    ["fusion.modalities: none given", sum()],
    ["fusion.modalities.text: given twice", sum(text, text)],
    ["fusion.modalities.text.weight", sum({ ...text, weight: 0 })],
    ["fusion.modalities.text.weight", sum({ ...text, weight: Number.NaN })],
    ["fusion.modalities.text.dims", sum({ ...text, dims: 1.5 })],
    ["is no name of a modality", sum({ ...text, name: "Text" })],
    ["fusion.modalities.text.projection: expected 2", sum({ ...text, projection: identity(3) })],
    [
      "fusion.modalities.image: expected 2 dimensions",
      sum(text, { ...text, name: "image", dims: 3 }),
    ],
    [
      "fusion.query: expected 1 dimensions, got 2",
      {
        strategy: "attention",
        modalities: [text],
        query: v(1, 2),
        scorer: { kind: "linear", weight: matrix(2, 1) },
        normaliseOutput: true,
      },
    ],
    [
      "fusion.query: expected 4 dimensions, got 2",
      {
        strategy: "self-attention",
        modalities: [text, { ...text, name: "image" }],
        queryFrom: "concatenation",
        query: identity(2),
        key: identity(2),
        value: identity(2),
        normaliseOutput: true,
      },
    ],
  ])("%s", (message, model) => {
    expect(() => assertFusionModel(model)).toThrow(message);
  });
});
