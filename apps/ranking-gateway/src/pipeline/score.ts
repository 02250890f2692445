/** Stage 3, score: similarity, popularity and freshness into one order. No I/O. */
import type { Bundle } from "@marquetry/model/bundle";
import { composeScore, freshness, popularityScore } from "@marquetry/model/ranking";
import type { RankingModel } from "@marquetry/model/ranking";
import { similarity, similarityFromDot } from "@marquetry/model/similarity";
import type { Candidate } from "./retrieve.js";

export interface ScoredProduct {
  readonly productId: string;
  readonly title: string;
  readonly groupId: string;
  readonly score: number;
  /** Weighted; they sum to the score. */
  readonly parts: {
    readonly similarity: number;
    readonly popularity: number;
    readonly freshness: number;
    /** 0 where nothing was re-ranked. */
    readonly reranking: number;
  };
  /** Unweighted. */
  readonly popularity: number;
}

export interface ScoreInputs {
  readonly similarityOf: (candidate: Candidate) => number;
  /** Decayed counts of the candidates, in their order. */
  readonly popularities: Float64Array;
  /** That of the most popular of all products, candidate or not. */
  readonly popularityTop: number;
  readonly nowMs: number;
}

/** @returns best first, ties by product id */
export function score(
  model: Pick<RankingModel, "weights" | "freshnessHalfLifeMs" | "popularityFloor">,
  candidates: readonly Candidate[],
  { similarityOf, popularities, popularityTop, nowMs }: ScoreInputs,
): ScoredProduct[] {
  const { weights, freshnessHalfLifeMs, popularityFloor = 0 } = model;
  const popularityMax = Math.max(popularityTop, ...popularities);
  const scored = candidates.map((candidate, at) => {
    const { productId, title, groupId, availableFromMs } = candidate.product;
    const relative = popularityScore(popularities[at] ?? 0, popularityMax);
    const popularity = Math.max(relative, popularityFloor);
    const { score: total, parts } = composeScore(
      {
        similarity: similarityOf(candidate),
        popularity,
        freshness: freshness(nowMs - availableFromMs, freshnessHalfLifeMs),
      },
      weights,
    );
    return {
      productId,
      title,
      groupId,
      score: total,
      parts: { ...parts, reranking: 0 },
      popularity,
    };
  });
  return scored.sort(byScore);
}

/** Best first, ties by product id. */
export function byScore(a: ScoredProduct, b: ScoredProduct): number {
  return b.score - a.score || (a.productId < b.productId ? -1 : 1);
}

export interface SimilarityTo {
  readonly of: (candidate: Candidate) => number;
  /** Whether candidates need their vectors: their dot products are not enough. */
  readonly withVectors: boolean;
}

/**
 * The similarity with the nearest of the vectors. A product that shares nothing with the query, or
 * has no vector, is neither near nor far: 0.
 */
export function similarityTo(
  near: readonly Float32Array[],
  { similarity: model, fusion }: Pick<Bundle, "similarity" | "fusion">,
): SimilarityTo {
  const fromDots = near.map((vector) => similarityFromDot(model, fusion, vector));
  return {
    of({ product, dots, vector: item }) {
      if (dots === undefined) return 0;
      const similarities = near.map((vector, k) => {
        const fromDot = fromDots[k];
        if (fromDot !== undefined) return fromDot(dots[k]!, product.modalities);
        return item === undefined ? 0 : similarity(model, fusion, vector, item);
      });
      return Math.max(...similarities);
    },
    withVectors: fromDots.includes(undefined),
  };
}
