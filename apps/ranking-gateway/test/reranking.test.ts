/** Recommend over gRPC with a bundle that has a re-ranker. */
import { expect, test } from "@jest/globals";
import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { FUSED_VECTOR } from "@marquetry/backends/product-index";
import type { Point } from "@marquetry/backends/product-index";
import type { Bundle } from "@marquetry/model/bundle";
import { mulberry32 } from "@marquetry/model/vectors/random";
import { popularityScore } from "@marquetry/model/ranking";
import { rerankerParts } from "@marquetry/model/ranking/reranker";
import type { RerankerModel } from "@marquetry/model/ranking/reranker";
import { dot } from "@marquetry/model/vectors/vector";
import { PLANE, direction, idsOf, product, startHarness } from "./harness.js";

const EAST = direction(0);

const FEATURES = {
  popularity: 0.3,
  own: -0.4,
  "own-last": 0.2,
  "own-count": 0.1,
  neighbours: 0.8,
  "fused:max": 0.5,
  "fused:second": -0.2,
  "fused:last": 0.3,
  "text:max": -0.3,
  "text:last": 0.6,
};

function reranking(changes: Partial<RerankerModel> = {}): Bundle {
  return {
    ...PLANE,
    reranker: { candidates: 200, historyMax: 30, features: FEATURES, ...changes },
  };
}

/** Of p3 and p9 two each, by number. */
const NEIGHBOURS: Bundle["neighbours"] = {
  ids: ["p9", "p3", "p21", "p40", "p55"],
  starts: Int32Array.of(0, 2, 4, 4, 4, 4),
  products: Int32Array.of(2, 3, 3, 4),
  weights: Float32Array.of(0.5, 0.75, 0.25, 1),
};
const NEAR: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  p9: [
    ["p21", 0.5],
    ["p40", 0.75],
  ],
  p3: [
    ["p40", 0.25],
    ["p55", 1],
  ],
};

/** A product whose text vector is not what it is fused to. */
function withText(productId: string, degrees: number, text: number, groupId = productId): Point {
  const point = product(productId, { degrees, groupId });
  return { ...point, vectors: { ...point.vectors, text: direction(text) } };
}

test("the order is that of the model's own function, the rest behind it, scores the sum of parts", async () => {
  const uniform = mulberry32(12);
  const reranker = { candidates: 40, historyMax: 5, features: FEATURES };
  const bundle = { ...reranking(reranker), neighbours: NEIGHBOURS };
  const { client, put, putUser, putPopularity } = await startHarness({ bundle });
  const points = Array.from({ length: 60 }, (_, i) =>
    withText(`p${i}`, 360 * uniform(), 360 * uniform()),
  );
  await put(...points);
  await putPopularity({ p1: 9, p2: 4 });
  const history = ["p50", "p3", "p1", "p7", "p3", "p30", "p9"];
  const vectorOf = (space: string, id: string) => points[Number(id.slice(1))]!.vectors[space];
  const scored = points
    .map(({ payload: { productId } }) => {
      const popularity = popularityScore({ p1: 9, p2: 4 }[productId] ?? 0, 9);
      const base = dot(EAST, vectorOf(FUSED_VECTOR, productId)!) + 0.1 * popularity;
      return { product: productId, popularity, base };
    })
    .toSorted((a, b) => b.base - a.base);
  const candidates = scored.slice(0, 40);
  const reordered = (neighboursOf?: (id: string) => (typeof NEAR)[string] | undefined) => {
    const parts = rerankerParts(reranker, { history, candidates, vectorOf, neighboursOf });
    return candidates
      .map(({ product: id, base }, at) => ({ id, score: base + parts[at]! }))
      .toSorted((a, b) => b.score - a.score);
  };
  const expected = reordered((id) => NEAR[id]);
  expect(expected.map(({ id }) => id)).not.toEqual(reordered().map(({ id }) => id));
  const order = [...expected.map(({ id }) => id), ...scored.slice(40).map((each) => each.product)];
  expect(order.slice(0, 40)).not.toEqual(candidates.map((each) => each.product));

  const answer = await client.recommend({ userId: await putUser(EAST, history), limit: 60 });
  expect(idsOf(answer)).toEqual(order);
  expect(answer.degradationReasons).toEqual([]);
  for (const [at, { score, parts: of }] of answer.items.entries()) {
    expect(of!.similarity + of!.popularity + of!.freshness + of!.reranking).toBeCloseTo(score, 9);
    if (at < 40) expect(score).toBeCloseTo(expected[at]!.score, 4);
    if (at > 0) expect(score).toBeLessThanOrEqual(answer.items[at - 1]!.score);
  }
});

test("the best of a group is the best after re-ranking; what was seen is left out on demand", async () => {
  const bundle = reranking({ features: { "text:last": 2 } });
  const { client, put, putUser } = await startHarness({ bundle });
  await put(
    withText("seen", 0, 90),
    withText("red", 10, 0, "shirt"),
    withText("green", 20, 90, "shirt"),
    withText("other", 30, 45),
  );
  const userId = await putUser(EAST, ["seen"]);
  expect(idsOf(await client.recommend({ userId }))).toEqual(["green", "other", "seen"]);
  expect(idsOf(await client.recommend({ userId, excludeSeen: true }))).toEqual(["green", "other"]);
});

test("no product counts as near to one that was dismissed", async () => {
  const bundle = reranking({ features: { "text:max": 5 } });
  const { client, put, putUser } = await startHarness({ bundle });
  await put(withText("dismissed", 40, 90), withText("near", 0, 0), withText("alike", 30, 90));
  const viewer = await putUser(EAST, ["dismissed"]);
  expect(idsOf(await client.recommend({ userId: viewer }))[0]).toBe("alike");
  const dismisser = await putUser(EAST, ["dismissed"], "dismiss");
  expect(idsOf(await client.recommend({ userId: dismisser }))[0]).toBe("near");
});

test("without vectors to read the order is that of before, and the answer says so", async () => {
  const bundle = reranking({ features: { "text:last": 5 } });
  const { client, put, putUser, gates } = await startHarness({ bundle });
  await put(withText("seen", 40, 90), withText("near", 0, 0), withText("alike", 30, 90));
  const userId = await putUser(EAST, ["seen"]);
  gates.retrieves.unavailable = true;
  const degraded = await client.recommend({ userId });
  expect(idsOf(degraded)).toEqual(["near", "alike", "seen"]);
  expect(degraded.items.map(({ parts }) => parts!.reranking)).toEqual([0, 0, 0]);
  expect(degraded.degradationReasons).toEqual([DegradationReason.RERANKER_UNAVAILABLE]);
  gates.retrieves.unavailable = false;
  const whole = await client.recommend({ userId });
  expect([idsOf(whole)[0], whole.degradationReasons]).toEqual(["alike", []]);
});

test("nobody known, nothing re-ranked", async () => {
  const { client, put, gates } = await startHarness({ bundle: reranking() });
  await put(withText("near", 0, 0));
  gates.retrieves.unavailable = true;
  const { degradationReasons } = await client.recommend({ userId: "a stranger" });
  expect(degradationReasons).toEqual([DegradationReason.UNKNOWN_USER]);
});
