/** Scoring: similarity, popularity and freshness into one order, one product of each group. */
import type { Bundle } from "@marquetry/model/bundle";
import { bestOfGroup } from "@marquetry/model/diversity";
import { composeScore, freshness, popularityScore } from "@marquetry/model/ranking";
import { similarity, similarityFromDot } from "@marquetry/model/similarity";
import type { Candidate, CandidateQuery, FindCandidates } from "./candidates.js";
import type { Popularity } from "./popularity.js";

export interface RankedProduct {
  readonly productId: string;
  readonly title: string;
  readonly groupId: string;
  readonly score: number;
  /** Weighted; they sum to the score. */
  readonly parts: {
    readonly similarity: number;
    readonly popularity: number;
    readonly freshness: number;
  };
}

export interface RankRequest extends Omit<CandidateQuery, "neighbours" | "withVectors"> {
  readonly limit: number;
  readonly includeVariants: boolean;
}

export type Rank = (request: RankRequest, popularity: Popularity) => Promise<RankedProduct[]>;

const NEIGHBOURS_MIN = 100;
const NEIGHBOURS_MAX = 4_000;
/** Neighbours asked for per product answered: groups and the other parts of the score reorder them. */
const NEIGHBOURS_PER_PRODUCT = 8;

export function createRank(bundle: Bundle, findCandidates: FindCandidates): Rank {
  return async (request, popularity) => {
    const { limit, vector, filter, includeVariants } = request;
    const toSimilarity = similarityTo(vector);
    const withVectors =
      vector !== undefined &&
      similarityFromDot(bundle.similarity, bundle.fusion, vector) === undefined;
    let neighbours = Math.max(NEIGHBOURS_MIN, limit * NEIGHBOURS_PER_PRODUCT);
    for (;;) {
      const query = {
        neighbours,
        withVectors,
        filter,
        ...(vector === undefined ? {} : { vector }),
      };
      const { found, more } = await findCandidates(query, popularity);
      const scored = await score(found, toSimilarity, popularity);
      const ranked = includeVariants ? scored : bestOfGroup(scored, ({ groupId }) => groupId);
      // Large groups can leave too few: look further, within bounds.
      if (ranked.length >= limit || !more || neighbours >= NEIGHBOURS_MAX)
        return ranked.slice(0, limit);
      neighbours = Math.min(neighbours * 4, NEIGHBOURS_MAX);
    }
  };

  async function score(
    found: readonly Candidate[],
    toSimilarity: (candidate: Candidate) => number,
    popularity: Popularity,
  ): Promise<RankedProduct[]> {
    const { weights, freshnessHalfLifeMs } = bundle.ranking;
    const now = Date.now();
    const [popularities, top] = await Promise.all([
      popularity.of(found.map(({ product }) => product.productId)),
      popularity.top(),
    ]);
    const popularityMax = Math.max(top[0]?.popularity ?? 0, ...popularities);
    const ranked = found.map((candidate, at) => {
      const { product } = candidate;
      const { score: total, parts } = composeScore(
        {
          similarity: toSimilarity(candidate),
          popularity: popularityScore(popularities[at] ?? 0, popularityMax),
          freshness: freshness(now - product.availableFromMs, freshnessHalfLifeMs),
        },
        weights,
      );
      const { productId, title, groupId } = product;
      return { productId, title, groupId, score: total, parts };
    });
    return ranked.sort((a, b) => b.score - a.score || (a.productId < b.productId ? -1 : 1));
  }

  /** A product that shares nothing with the query, or has no vector, is neither near nor far: 0. */
  function similarityTo(vector: Float32Array | undefined): (candidate: Candidate) => number {
    if (vector === undefined) return () => 0;
    const fromDot = similarityFromDot(bundle.similarity, bundle.fusion, vector);
    return ({ product, dot, vector: item }) => {
      if (dot === undefined) return 0;
      if (fromDot !== undefined) return fromDot(dot, product.modalities);
      return item === undefined ? 0 : similarity(bundle.similarity, bundle.fusion, vector, item);
    };
  }
}
