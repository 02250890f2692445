import { describe, expect, test } from "@jest/globals";
import { decodeBundle } from "@marquetry/model/bundle/codec";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { poolMultiInterest } from "@marquetry/model/interests/multi-interest";
import { dot } from "@marquetry/model/vectors/vector";
import { preparedWithText } from "../../test/prepared.js";
import {
  attentionInterests,
  recencyInterests,
  sequenceInterests,
} from "../learn/served-interests.js";
import type { ServedInterests } from "../learn/served-interests.js";
import { DATASET_ACTION } from "../dataset/actions.js";
import { trainedBundle } from "../../test/trained.js";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { withFreshness } from "./choose-freshness.js";
import { rankingOf } from "../scoring/ranking.js";
import { identityGain } from "../sequence/identity.js";
import { sequenceGraph } from "../sequence/onnx.js";
import { startSequence } from "../sequence/parameters.js";
import { sequenceScorer } from "../scoring/sequence-scorer.js";
import { itemNeighbours } from "../representation/item-neighbours.js";
import { baseRanking } from "../learn/fit-reranking.js";
import { rerankedScorer } from "../reranking/reranked.js";
import { pooledScorer, popularityPrior } from "../scoring/pooled.js";
import { fusedVectors, graphInterests } from "./exported.js";
import { servedScorer } from "./served.js";

const uniform = mulberry32(31);
const items = 20;
const dims = 8;
const counts = Float64Array.from({ length: items }, (_, i) => 1 + i);
const text = matrix(items, 6, randomVector(uniform, items * 6));
const vectors = normaliseRows(matrix(items, dims, randomVector(uniform, items * dims)));
const histories = [Int32Array.of(3, 1, 3), Int32Array.of(19)];
const dataset = {
  name: "tiny",
  itemIds: Array.from({ length: items }, (_, i) => String(i)),
  ordered: true,
  splits: { train: histories, valid: [], test: [], testHistory: "train" },
} as const;
const prepared = preparedWithText(dataset, text, counts);
const ranking = { decay: 0.7, popularity: 0.05 };
const prior = popularityPrior(counts, ranking.popularity);
const identity = { dims: 2, length: 0.5, suppression: 1.3 };
const users = Int32Array.of(1, 0);

describe("a bundle scores by the services' functions what the trainer measured, to 1e-5:", () => {
  async function expectServed(
    pooling: ServedInterests | undefined,
    measured: Matrix,
    actions?: readonly Int32Array[],
  ) {
    const trained = await trainedBundle(prepared, vectors, ranking, { pooling });
    const interestsOf = await graphInterests(
      trained.bundle,
      fusedVectors(trained, { text }, items),
      histories,
    );
    const served = servedScorer(trained, { text }, counts, { interestsOf })(histories, actions)(
      users,
    );
    measured.data.forEach((score, i) => expect(served.data[i]).toBeCloseTo(score, 5));
    return trained;
  }

  test("interests by recency", async () => {
    const measured = pooledScorer({ vectors, histories, decay: ranking.decay, prior })(users);
    await expectServed(undefined, measured);
  });

  test("interests with the code reversed", async () => {
    const gain = identityGain(dims, identity);
    const measured = pooledScorer({ vectors, histories, decay: ranking.decay, prior, gain })(users);
    await expectServed(recencyInterests(vectors, ranking.decay, gain), measured);
  });

  test("interests by what and of which action each interaction is", async () => {
    const [query, key] = [0, 1].map(() => matrix(3, dims, randomVector(uniform, 3 * dims)));
    const attention = { query: query!, key: key!, biases: Float32Array.of(0.1, 0, 0.4, 0, 2) };
    const actions = [Int32Array.of(4, 0, 2), Int32Array.of(1)];
    const scorerFor = rankingOf(prepared, vectors, { interests: attention })(ranking);
    const measured = scorerFor(histories, actions)(users);
    await expectServed(attentionInterests(vectors, ranking.decay, attention), measured, actions);
    const alike = scorerFor(histories)(users);
    expect(Math.abs(alike.data[items]! - measured.data[items]!)).toBeGreaterThan(0.01);
    const byRecency = rankingOf(prepared, vectors)(ranking)(histories)(users);
    expect(Math.abs(byRecency.data[items]! - alike.data[items]!)).toBeGreaterThan(0.002);
  });

  test("interests by a sequence model, which the bundle carries as a graph", async () => {
    const shape = { dims, heads: 2, hidden: 12, historyMax: 5, decay: ranking.decay, identity };
    const parameters = Object.fromEntries(
      Object.entries(startSequence(shape, 3)).map(([name, values]) => [
        name,
        values.map((x) => x + 0.3 * (2 * uniform() - 1)),
      ]),
    );
    const model = { shape, parameters, vectors };
    const measured = sequenceScorer(model, histories, prior)(users);
    const trained = await expectServed(sequenceInterests(model), measured);
    expect(trained.encoded.interests).toEqual(sequenceGraph(shape, parameters));
    // Without the graph's answers the evaluation does not fall back to another pooling.
    expect(() => servedScorer(trained, { text }, counts)(histories)(users)).toThrow("sequence");
  });
});

test("a bundle with several interests per user scores products by the nearest", async () => {
  const trained = await trainedBundle(prepared, vectors, ranking);
  const multiInterest = { max: 2, cosine: 0.99, share: 0.9, rounds: 3 };
  const bundle = {
    ...trained.bundle,
    interests: { ...trained.bundle.interests, multiInterest },
  };
  const served = servedScorer({ ...trained, bundle }, { text }, counts)(histories)(users);
  const single = servedScorer(trained, { text }, counts)(histories)(users);
  // The second user's history is one product, the first one's is two unlike products.
  expect(Array.from(rowOf(served, 0))).toEqual(Array.from(rowOf(single, 0)));
  const interests = poolMultiInterest(
    bundle.interests,
    [3, 1, 3].map((item, t) => ({
      vector: rowOf(vectors, item),
      action: DATASET_ACTION,
      occurredAtMs: t,
    })),
  );
  expect(interests.length).toBe(2);
  rowOf(served, 1).forEach((score, item) => {
    const similarities = interests.map((interest) => dot(interest, rowOf(vectors, item)));
    expect(score).toBeCloseTo(Math.max(...similarities) + prior[item]!, 5);
  });
});

test("a bundle read back re-ranks as the trainer measured, its neighbours too", async () => {
  const content = { popularity: 0.1, "fused:max": 0.4, "text:last": -0.3 };
  const features = { own: -0.5, "own-count": 0.2, neighbours: 0.7, ...content };
  const model = { candidates: 8, historyMax: 2, features };
  const neighbours = itemNeighbours(histories, items);
  const trained = await trainedBundle(prepared, vectors, ranking, {
    reranker: model,
    neighbours,
  });
  const bundle = await decodeBundle(trained.encoded.manifest, trained.encoded.weights);
  const served = servedScorer({ ...trained, bundle }, prepared.features, prepared.counts);
  const base = baseRanking(prepared, vectors, ranking, { neighbours });
  const measured = rerankedScorer(base, model)(histories)(users);
  const plain = base.scorerFor(histories)(users);
  expect(Math.abs(plain.data[0]! - measured.data[0]!)).toBeGreaterThan(0.01);
  served(histories)(users).data.forEach((score, i) =>
    expect(score).toBeCloseTo(measured.data[i]!, 5),
  );
  const forgotten = rerankedScorer(baseRanking(prepared, vectors, ranking), model);
  const apart = forgotten(histories)(users).data.map((score, i) => score - measured.data[i]!);
  expect(apart.some((difference) => Math.abs(difference) > 0.01)).toBe(true);
});

test("neighbours are carried where the re-ranker weighs them, and are known by the products' ids", async () => {
  const model = { candidates: items, historyMax: 3, features: { neighbours: 1 } };
  const neighbours = itemNeighbours(histories, items);
  const trained = await trainedBundle(prepared, vectors, ranking, {
    reranker: model,
    neighbours,
  });
  const unweighed = await trainedBundle(prepared, vectors, ranking, {
    reranker: { ...model, features: { own: 1 } },
    neighbours,
  });
  expect(unweighed.bundle.neighbours).toBeUndefined();
  expect(trained.bundle.neighbours!.ids).toEqual(prepared.dataset.itemIds);

  /** What neighbours add to the scores of somebody with one product. */
  const added = (itemIds: readonly string[], item: number): number[] => {
    const { neighbours: _, ...without } = trained.bundle;
    const [withThem, withoutThem] = [trained.bundle, without].map((bundle) =>
      servedScorer({ ...trained, bundle, itemIds }, { text }, counts)([Int32Array.of(item)]),
    );
    const base = withoutThem!(Int32Array.of(0)).data;
    return Array.from(withThem!(Int32Array.of(0)).data, (score, i) => score - base[i]!);
  };
  // Product "3" was had twice, next to "1" each time; reversed, they have the numbers 16 and 18.
  const reversed = trained.itemIds.toReversed();
  const expected = 2 / Math.sqrt(3) / Math.sqrt(2);
  added(reversed, 16).forEach((x, i) => expect(x).toBeCloseTo(i === 18 ? expected : 0, 5));
  const gone = reversed.with(18, "another");
  added(gone, 16).forEach((x) => expect(x).toBeCloseTo(0, 5));
});

test("freshness is added by the age at which each user is evaluated", async () => {
  const dayMs = 86_400_000;
  const freshness = { weight: 0.3, halfLifeMs: 10 * dayMs };
  const folder = await trainedBundle(prepared, vectors, ranking);
  const trained = { ...folder, bundle: withFreshness(folder.bundle, freshness) };
  const availableFromMs = Float64Array.from({ length: items }, (_, i) => i * dayMs);
  const times = { availableFromMs, evaluatedAtMs: Float64Array.of(15 * dayMs, 40 * dayMs) };
  const plain = servedScorer(trained, { text }, counts)(histories)(users);
  const served = servedScorer(trained, { text }, counts, { times })(histories)(users);
  // The second user is evaluated first. Product 19 was not there yet when the first user was.
  const added = (place: number, item: number): number =>
    rowOf(served, place)[item]! - rowOf(plain, place)[item]!;
  expect(added(0, 10)).toBeCloseTo(0.3 * 2 ** -3, 5);
  expect(added(1, 5)).toBeCloseTo(0.3 * 2 ** -1, 5);
  expect(added(1, 15)).toBeCloseTo(0.3, 5);
  expect(added(1, 19)).toBe(0);
});

test("a bundle whose similarity the evaluation does not know is refused", async () => {
  const trained = { bundle: { id: "b", similarity: { kind: "cosine" } } };
  expect(() => servedScorer(trained as never, {}, new Float64Array(1))).toThrow(
    "bundle b: expected similarity dot or two-tower, got cosine",
  );
});
