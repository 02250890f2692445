import { describe, expect, test } from "@jest/globals";
import { decodeBundle, encodeBundle, openBundle } from "./codec.js";
import type { Bundle } from "./bundle.js";
import { sha256Hex } from "./digest.js";
import { fuse } from "../fusion/fusion.js";
import type { AttentionScorer, FusionModel, ModalityVectors } from "../fusion/fusion.js";
import { pool } from "../interests/interests.js";
import type { InterestModel } from "../interests/interests.js";
import { matrix } from "../vectors/matrix.js";
import { mulberry32, randomVector } from "../vectors/random.js";
import { decodeSafetensors, encodeSafetensors } from "./safetensors.js";
import { similarity } from "../similarity/similarity.js";
import type { SimilarityModel } from "../similarity/similarity.js";

const uniform = mulberry32(77);
const random = (rows: number, cols: number) =>
  matrix(rows, cols, randomVector(uniform, rows * cols));

const modalities = [
  { name: "text", dims: 6, projection: random(4, 6) },
  { name: "image", dims: 4, whitening: { centre: randomVector(uniform, 4), weight: random(4, 4) } },
];
const weighted = modalities.map((modality, i) => Object.assign({ weight: 0.1 + i / 3 }, modality));
const concatenation: FusionModel = {
  strategy: "concatenation",
  modalities: weighted,
  normaliseOutput: true,
};
const learned = (scorer: AttentionScorer): FusionModel => ({
  strategy: "attention",
  modalities: [{ ...modalities[0]!, bias: 1 / 3 }, modalities[1]!],
  query: randomVector(uniform, 3),
  scorer,
  normaliseOutput: false,
});
const self = (queryFrom: "sum" | "concatenation"): FusionModel => ({
  strategy: "self-attention",
  modalities,
  queryFrom,
  query: random(2, queryFrom === "sum" ? 4 : 8),
  key: random(2, 4),
  value: random(4, 4),
  normaliseOutput: true,
});
const fusions: FusionModel[] = [
  concatenation,
  { strategy: "weighted-sum", modalities: weighted, normaliseOutput: false },
  learned({ kind: "linear", weight: random(4, 3) }),
  learned({
    kind: "bilinear",
    weight: random(4, 3),
    valueBias: randomVector(uniform, 4),
    queryBias: randomVector(uniform, 3),
    bias: -1 / 7,
  }),
  learned({ kind: "tanh", weight: random(4, 3) }),
  self("sum"),
  self("concatenation"),
];

const output = {
  actions: { view: { bias: 0.1, sign: 1 }, dismiss: { bias: 0, sign: -1 } },
  negativeShare: 0.3,
  normaliseOutput: true,
} as const;
const MULTI_INTEREST = { max: 2, cosine: 0.6, share: 0.5, rounds: 3 };
const interests: InterestModel[] = [
  { strategy: "mean", ...output },
  { strategy: "attention", contentScoring: false, ...output },
  {
    strategy: "attention",
    contentScoring: true,
    query: random(3, 8),
    key: random(3, 8),
    value: random(8, 8),
    ageHalfLifeMs: 1000,
    rankDecay: 0.8,
    multiInterest: MULTI_INTEREST,
    ...output,
  },
];

const similarities: SimilarityModel[] = [
  { kind: "dot" },
  { kind: "cosine" },
  { kind: "shared-block-cosine" },
  { kind: "two-tower", normaliseOutput: true },
  {
    kind: "two-tower",
    user: { weight: random(2, 8), bias: randomVector(uniform, 2) },
    item: { weight: random(2, 8) },
    normaliseOutput: false,
  },
  {
    kind: "modality-adaptive",
    modalities: { text: { bias: 0.2, user: randomVector(uniform, 4) }, image: { bias: 0 } },
  },
];

const plain: Bundle = {
  id: "test-1",
  createdBy: "a test",
  encoders: { text: { encoder: "words-1.0", dims: 6 }, image: { encoder: "pictures", dims: 4 } },
  fusion: concatenation,
  interests: interests[0]!,
  similarity: { kind: "dot" },
  ranking: {
    weights: { similarity: 1, popularity: 0.1, freshness: 0.05 },
    freshnessHalfLifeMs: 1000,
    popularityHalfLifeMs: 2000,
    actionWeights: { view: 1, dismiss: -0.5 },
  },
  reranker: { candidates: 200, historyMax: 30, features: { own: -1.5, "text:max": 0.25 } },
  training: {
    interactionsSha256: "0a".repeat(32),
    metrics: { "unmasked/ndcg@10": { bundle: 0.11, popularity: 0.02 } },
  },
};

async function roundtrip(bundle: Bundle): Promise<Bundle> {
  const { manifest, weights } = await encodeBundle(bundle);
  return decodeBundle(manifest, weights);
}

/** The manifest of the plain bundle, changed; its weights as they are. */
async function decodeChanged(change: (manifest: any) => void, bundle = plain): Promise<Bundle> {
  const { manifest, weights } = await encodeBundle(bundle);
  const parsed: unknown = JSON.parse(manifest);
  change(parsed);
  return decodeBundle(JSON.stringify(parsed), weights);
}

describe("a bundle that was written and read", () => {
  test("says the same about everything that is no tensor", async () => {
    const { fusion: _, ...back } = await roundtrip(plain);
    const { fusion: __, ...expected } = plain;
    expect(back).toEqual(expected);
  });

  test.each(fusions)("by $strategy fuses bit for bit as before", async (fusion) => {
    const back = await roundtrip({ ...plain, fusion });
    const vectors = { text: randomVector(uniform, 6), image: randomVector(uniform, 4) };
    const presences: ModalityVectors[] = [
      vectors,
      { text: vectors.text },
      { image: vectors.image },
    ];
    for (const present of presences) {
      expect(Array.from(fuse(back.fusion, present)!)).toEqual(Array.from(fuse(fusion, present)!));
    }
  });

  test.each(interests)("by $strategy pools bit for bit as before", async (model) => {
    const back = await roundtrip({ ...plain, interests: model });
    const interactions = ["view", "dismiss", "view"].map((action, i) => ({
      vector: randomVector(uniform, 8),
      action,
      occurredAtMs: 700 * i,
    }));
    const expected = Array.from(pool(model, interactions)!);
    expect(Array.from(pool(back.interests, interactions)!)).toEqual(expected);
    expect(back.interests.multiInterest).toEqual(model.multiInterest);
  });

  test.each(similarities)("by $kind compares as before", async (model) => {
    const back = await roundtrip({ ...plain, similarity: model });
    const [user, item] = [randomVector(uniform, 8), randomVector(uniform, 8)];
    const value = similarity(back.similarity, back.fusion, user, item);
    expect(value).toBe(similarity(model, concatenation, user, item));
  });

  test("equal bundles give equal bytes, whatever the order of their keys", async () => {
    const { ranking, similarity: same, interests: pooling, fusion, ...rest } = plain;
    const reordered = { similarity: same, fusion, ranking, interests: pooling, ...rest };
    const encoders = { image: plain.encoders["image"]!, text: plain.encoders["text"]! };
    const one = await encodeBundle(plain);
    const other = await encodeBundle({ ...reordered, encoders });
    expect(other.manifest).toBe(one.manifest);
    expect(Array.from(other.weights)).toEqual(Array.from(one.weights));
  });

  test("opens through any function that reads its two files", async () => {
    const { manifest, weights } = await encodeBundle(plain);
    const files = new Map([
      ["manifest.json", new TextEncoder().encode(manifest)],
      ["weights.safetensors", weights],
    ]);
    const readFile = async (name: string): Promise<Uint8Array> => {
      const file = files.get(name);
      if (file === undefined) throw new Error(`${name}: no such file`);
      return file;
    };
    expect((await openBundle(readFile)).id).toBe("test-1");
    files.delete("weights.safetensors");
    await expect(openBundle(readFile)).rejects.toThrow("weights.safetensors: no such file");
  });
});

describe("a bundle with a sequence model", () => {
  const graph = Uint8Array.of(8, 1, 2, 3);
  const bundle: Bundle = {
    ...plain,
    interests: { ...output, strategy: "sequence", graph, historyMax: 30, rankDecay: 0.6 },
  };

  test("carries its graph beside the weights, and is read back with it", async () => {
    const { manifest, weights, interests } = await encodeBundle(bundle);
    expect(JSON.parse(manifest).interests.graph).toEqual({
      bytes: 4,
      sha256: await sha256Hex(graph),
    });
    const files: Record<string, Uint8Array> = {
      "manifest.json": new TextEncoder().encode(manifest),
      "weights.safetensors": weights,
      "interests.onnx": interests!,
    };
    const opened = await openBundle(async (name) => files[name]!);
    expect(opened.interests).toEqual(bundle.interests);
  });

  test("is refused with another graph, without one, or with one that nothing asks for", async () => {
    const { manifest, weights } = await encodeBundle(bundle);
    await expect(decodeBundle(manifest, weights, Uint8Array.of(8, 1, 2, 4))).rejects.toThrow(
      /^interests\.graph\.sha256: expected [0-9a-f]{64}/,
    );
    await expect(decodeBundle(manifest, weights, graph.subarray(1))).rejects.toThrow(
      "interests.graph.bytes: expected 4 bytes, got 3",
    );
    await expect(decodeBundle(manifest, weights)).rejects.toThrow("interests.onnx missing");
    const other = await encodeBundle(plain);
    await expect(decodeBundle(other.manifest, other.weights, graph)).rejects.toThrow(
      "the strategy is not sequence",
    );
  });

  test.each([
    [{ historyMax: 0 }, "interests.historyMax: expected an integer above 0, got 0"],
    [{ rankDecay: 2 }, "interests.rankDecay: expected in (0, 1], got 2"],
  ])("is refused with %j", async (change, message) => {
    const wrong = { ...bundle, interests: { ...bundle.interests, ...change } as InterestModel };
    await expect(encodeBundle(wrong)).rejects.toThrow(message);
  });
});

describe("a bundle with golden vectors", () => {
  const fusion: FusionModel = {
    strategy: "weighted-sum",
    modalities: weighted,
    normaliseOutput: true,
  };
  const vectors = { text: randomVector(uniform, 6), image: randomVector(uniform, 4) };
  const interactions = ["view", "view"].map((action, i) => ({
    vector: randomVector(uniform, 4),
    action,
    occurredAtMs: i,
  }));
  const golden = {
    products: [
      { name: "whole", vectors, fused: fuse(fusion, vectors)! },
      {
        name: "a picture",
        vectors: { image: vectors.image },
        fused: fuse(fusion, { image: vectors.image })!,
      },
    ],
    histories: [{ name: "two", interactions, interest: pool(interests[0]!, interactions)! }],
  };
  const bundle: Bundle = { ...plain, fusion, golden };

  /** The bundle with one number of a tensor changed, and the digest that then is right. */
  async function decodeWith(name: string, change: number): Promise<Bundle> {
    const { manifest, weights } = await encodeBundle(bundle);
    const tensors = new Map(decodeSafetensors(weights));
    const { shape, data } = tensors.get(name)!;
    tensors.set(name, { shape, data: data.map((x, i) => (i === 0 ? x + change : x)) });
    const file = encodeSafetensors(tensors);
    const parsed = JSON.parse(manifest);
    parsed.weights = { bytes: file.length, sha256: await sha256Hex(file) };
    return decodeBundle(JSON.stringify(parsed), file);
  }

  test("gives them back as they were written", async () => {
    const back = (await roundtrip(bundle)).golden!;
    expect(back.products.map(({ name }) => name)).toEqual(["whole", "a picture"]);
    expect(Array.from(back.products[1]!.fused)).toEqual(Array.from(golden.products[1]!.fused));
    expect(back.histories[0]!.interactions[1]).toEqual(interactions[1]);
  });

  test("is refused where a weight is another, though the digest is right", async () => {
    await expect(decodeWith("fusion.modalities.0.projection", 1)).rejects.toThrow(
      /golden product "whole": this build gives another vector .* apart by 0\.\d+/,
    );
  });

  test("is refused where a product or a history comes out more than 1e-5 away", async () => {
    await expect(decodeWith("golden.products.1.fused", 2e-5)).rejects.toThrow(
      'golden product "a picture"',
    );
    await expect(decodeWith("golden.histories.0.interest", 2e-5)).rejects.toThrow(
      'golden history "two"',
    );
    await expect(decodeWith("golden.products.1.fused", 5e-6)).resolves.toBeDefined();
  });

  test("is refused where a golden vector has another length", async () => {
    const short = { ...golden.products[0]!, fused: golden.products[0]!.fused.subarray(1) };
    const changed = { ...bundle, golden: { ...golden, products: [short] } };
    await expect(encodeBundle(changed)).rejects.toThrow("expected 3 elements, got 4");
  });
});

describe("a bundle is refused", () => {
  const ndcgOf = (manifest: any) => manifest.training.metrics["unmasked/ndcg@10"];

  test("where one bit of the weights is another", async () => {
    const { manifest, weights } = await encodeBundle(plain);
    weights[weights.length - 1]! ^= 1;
    await expect(decodeBundle(manifest, weights)).rejects.toThrow("weights.sha256");
    await expect(decodeBundle(manifest, weights.subarray(1))).rejects.toThrow("weights.bytes");
  });

  test("where the manifest is no JSON object", async () => {
    await expect(decodeBundle("{", new Uint8Array())).rejects.toThrow("manifest: not JSON");
    await expect(decodeBundle("[]", new Uint8Array())).rejects.toThrow("manifest: expected an");
  });

  test.each<[string, (manifest: any) => void]>([
    ["format: expected one of marquetry-bundle-1", (m) => (m.format = "2")],
    ["surprise: unknown field", (m) => (m.surprise = 1)],
    ["id: expected a string", (m) => delete m.id],
    ['id: "Test" is not', (m) => (m.id = "Test")],
    ["createdBy", (m) => (m.createdBy = "")],
    ["encoders: expected an object", (m) => (m.encoders = [])],
    ["encoders.text.dims: expected a number", (m) => (m.encoders.text.dims = "6")],
    ["encoders.text.dims: expected 6 dimensions, got 7", (m) => (m.encoders.text.dims = 7)],
    ["encoders.text: missing", (m) => delete m.encoders.text],
    ["encoders.smell: no modality", (m) => (m.encoders.smell = { encoder: "x", dims: 1 })],
    ["fusion.strategy: expected one of", (m) => (m.fusion.strategy = "magic")],
    ["fusion.modalities: expected a list", (m) => (m.fusion.modalities = {})],
    ["fusion.modalities.1.weight: expected a number", (m) => delete m.fusion.modalities[1].weight],
    ["fusion.modalities.0.bias: unknown", (m) => (m.fusion.modalities[0].bias = 1)],
    ["fusion.modalities.0.projection: no tensor", (m) => (m.fusion.modalities[0].projection = "x")],
    ["nothing refers to tensor", (m) => delete m.fusion.modalities[0].projection],
    ["fusion.modalities.text.projection: expected 5", (m) => (m.fusion.modalities[0].dims = 5)],
    ["fusion.normaliseOutput: expected true", (m) => (m.fusion.normaliseOutput = "yes")],
    ["interests.actions.view.sign: expected one of", (m) => (m.interests.actions.view.sign = 0)],
    ["interests.negativeShare", (m) => (m.interests.negativeShare = -1)],
    ["interests.rankDecay: unknown field", (m) => (m.interests.rankDecay = 0.5)],
    ["interests.several: expected an object", (m) => (m.interests.several = 2)],
    ["interests.several.share: expected a", (m) => (m.interests.several = { max: 2, cosine: 0 })],
    [
      "interests.several.max: expected an",
      (m) => (m.interests.several = { ...MULTI_INTEREST, max: 1 }),
    ],
    [
      "interests.several.max: expected an",
      (m) => (m.interests.several = { ...MULTI_INTEREST, max: 9 }),
    ],
    ["interests.several.cosine", (m) => (m.interests.several = { ...MULTI_INTEREST, cosine: 1 })],
    ["interests.several.share", (m) => (m.interests.several = { ...MULTI_INTEREST, share: 0 })],
    ["interests.several.rounds", (m) => (m.interests.several = { ...MULTI_INTEREST, rounds: 0.5 })],
    ["interests.several.k: unknown", (m) => (m.interests.several = { ...MULTI_INTEREST, k: 1 })],
    ["similarity.kind: expected one of", (m) => (m.similarity.kind = "near")],
    ["ranking.weights.popularity", (m) => (m.ranking.weights.popularity = null)],
    ["ranking.freshnessHalfLifeMs: expected a", (m) => (m.ranking.freshnessHalfLifeMs = 0)],
    ["ranking.actionWeights.view", (m) => (m.ranking.actionWeights.view = "1")],
    ["ranking.popularityFloor: expected 0 to 1", (m) => (m.ranking.popularityFloor = 1.5)],
    ["reranker.candidates: expected a whole", (m) => (m.reranker.candidates = 0.5)],
    ["reranker.depth: unknown field", (m) => (m.reranker.depth = 2)],
    ["reranker.features.smell:max: unknown", (m) => (m.reranker.features["smell:max"] = 1)],
    ["reranker.features.own: expected a number", (m) => (m.reranker.features.own = "1")],
    ["training.interactionsSha256", (m) => (m.training.interactionsSha256 = "0a")],
    ["training.metrics.unmasked/ndcg@10.popularity", (m) => delete ndcgOf(m).popularity],
    ["training.metrics.unmasked/ndcg@10.luck: unknown field", (m) => (ndcgOf(m).luck = 1)],
    ["weights.sha256", (m) => (m.weights.sha256 = "abc")],
  ])("naming the field: %s", async (message, change) => {
    await expect(decodeChanged(change)).rejects.toThrow(message);
  });

  test("where a tensor has other sides or a NaN, though the digest is right", async () => {
    const { manifest, weights } = await encodeBundle(plain);
    const name = "fusion.modalities.0.projection";
    const tensors = decodeSafetensors(weights);
    const { data } = tensors.get(name)!;
    const parsed = JSON.parse(manifest);
    const broken: [string, number[], Float32Array][] = [
      [`${name}: expected 2 sides, got shape 24`, [24], data],
      ["fusion.modalities.text.projection: expected 6", [6, 4], data],
      [`${name}: element 3 is NaN`, [4, 6], data.map((x, i) => (i === 3 ? Number.NaN : x))],
    ];
    for (const [message, shape, values] of broken) {
      const file = encodeSafetensors(new Map([...tensors, [name, { shape, data: values }]]));
      parsed.weights = { bytes: file.length, sha256: await sha256Hex(file) };
      await expect(decodeBundle(JSON.stringify(parsed), file)).rejects.toThrow(message);
    }
  });

  test("by the writer already", async () => {
    await expect(encodeBundle({ ...plain, id: "no spaces" })).rejects.toThrow("id:");
    const ranking = { ...plain.ranking, popularityHalfLifeMs: Number.NaN };
    await expect(encodeBundle({ ...plain, ranking })).rejects.toThrow(
      "ranking.popularityHalfLifeMs",
    );
  });
});
