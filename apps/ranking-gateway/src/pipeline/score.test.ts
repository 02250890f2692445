import { describe, expect, test } from "@jest/globals";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import type { Candidate } from "./retrieve.js";
import { score, similarityTo } from "./score.js";

const NOW = 1_000_000;
const RANKING = {
  weights: { similarity: 1, popularity: 0.5, freshness: 0.25 },
  freshnessHalfLifeMs: 1_000,
};

function candidate(productId: string, dots?: readonly number[], ageMs = 1e9): Candidate {
  const product = {
    productId,
    title: `The ${productId}`,
    groupId: productId,
    modalities: ["text"],
    availableFromMs: NOW - ageMs,
  };
  return dots === undefined ? { product } : { product, dots };
}

function inputs(popularities: readonly number[], popularityTop = 0) {
  return {
    similarityOf: ({ dots = [0] }: Candidate) => dots[0]!,
    popularities: Float64Array.from(popularities),
    popularityTop,
    nowMs: NOW,
  };
}

describe("score", () => {
  test("the best comes first, equal ones by id, each score the sum of its weighted parts", () => {
    const candidates = [
      candidate("z", [0.5]),
      candidate("a", [0.5]),
      candidate("new", [0.5], 1_000),
      candidate("hit", [0.1]),
    ];
    const scored = score(RANKING, candidates, inputs([0, 0, 0, 7]));
    expect(scored.map(({ productId }) => productId)).toEqual(["new", "hit", "a", "z"]);
    expect(scored.slice(0, 2).map(({ parts }) => parts)).toEqual([
      { similarity: 0.5, popularity: 0, freshness: 0.125, reranking: 0 },
      { similarity: 0.1, popularity: 0.5, freshness: 0, reranking: 0 },
    ]);
    for (const { score: total, parts } of scored) {
      expect(total).toBe(parts.similarity + parts.popularity + parts.freshness);
    }
  });

  test("popularity is relative to the most popular product, candidate or not", () => {
    const [among] = score(RANKING, [candidate("a")], inputs([3]));
    const [below] = score(RANKING, [candidate("a")], inputs([3], 15));
    expect([among!.popularity, below!.popularity]).toEqual([1, 0.5]);
  });

  test("no popularity is below the floor", () => {
    const ranking = { ...RANKING, popularityFloor: 0.5 };
    const scored = score(ranking, [candidate("hit"), candidate("none")], inputs([15, 0]));
    expect(scored.map(({ popularity }) => popularity)).toEqual([1, 0.5]);
  });
});

describe("similarity", () => {
  const near = [Float32Array.of(1, 0), Float32Array.of(0, 1)];

  test("the nearest vector counts; a candidate without dot products is neither near nor far", async () => {
    const bundle = await zeroShotBundle({ text: { encoder: "words", dims: 2 } }, { dims: 2 });
    const similarity = similarityTo(near, bundle);
    expect(similarity.withVectors).toBe(false);
    expect(similarity.of(candidate("a", [-0.5, 0.25]))).toBe(0.25);
    expect(similarity.of(candidate("a"))).toBe(0);
  });

  test("where dot products are not enough the candidates' vectors are compared", async () => {
    const bundle = await zeroShotBundle({ text: { encoder: "words", dims: 2 } }, { dims: 2 });
    const towers = { kind: "two-tower", normaliseOutput: true } as const;
    const similarity = similarityTo(near, { ...bundle, similarity: towers });
    expect(similarity.withVectors).toBe(true);
    const vector = Float32Array.of(3, 4);
    expect(similarity.of({ ...candidate("a", [3, 4]), vector })).toBeCloseTo(0.8, 6);
  });
});
