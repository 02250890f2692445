/** Scoring: similarity, popularity and freshness into one order, one product of each group. */
import type { Bundle } from "@marquetry/model/bundle";
import { bestOfGroup } from "@marquetry/model/ranking/diversity";
import { composeScore, freshness, popularityScore } from "@marquetry/model/ranking";
import { similarity, similarityFromDot } from "@marquetry/model/similarity";
import type { Interaction } from "@marquetry/contracts/interactions";
import type { Candidate, CandidateQuery, FindCandidates } from "./candidates.js";
import type { Popularity } from "./popularity.js";
import type { Rerank } from "./rerank.js";

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
    /** 0 where nothing was re-ranked. */
    readonly reranking: number;
  };
}

export interface ScoredProduct extends RankedProduct {
  /** Unweighted. */
  readonly popularity: number;
}

export interface Ranking {
  readonly items: readonly RankedProduct[];
  /** Whether the order is that before re-ranking, for want of vectors. */
  readonly rerankerAway: boolean;
}

export interface RankRequest extends Pick<CandidateQuery, "near" | "filter"> {
  readonly limit: number;
  readonly includeVariants: boolean;
  /** What the re-ranker goes by, oldest first; without it nothing is re-ranked. */
  readonly history?: readonly Interaction[];
}

export type Rank = (request: RankRequest, popularity: Popularity) => Promise<Ranking>;

const REACH_MIN = 100;
const REACH_MAX = 4_000;
const FRESH_MIN = 50;
/** Candidates asked for per product answered: groups and the other parts of the score reorder them. */
const REACH_PER_PRODUCT = 8;
/** Large groups can leave too few products: each further round looks beyond the groups found so far. */
const ROUNDS_MAX = 4;

/** @param rerank of a bundle that has a re-ranker */
export function createRank(bundle: Bundle, findCandidates: FindCandidates, rerank?: Rerank): Rank {
  return async ({ limit, includeVariants, history, ...wanted }, popularity) => {
    const { near, filter } = wanted;
    const { toSimilarity, withVectors } = similarityTo(near);
    const candidates: Candidate[] = [];
    const reranked = history !== undefined && rerank !== undefined && near.length > 0;
    let reach = Math.max(REACH_MIN, limit * REACH_PER_PRODUCT, reranked ? rerank.candidates : 0);
    const groups = new Set(filter.groupIdsNone);
    for (let round = 1; ; round += 1) {
      const query = {
        ...wanted,
        withVectors,
        // Vectors share the most that is asked for.
        nearest: Math.min(reach, Math.ceil(REACH_MAX / Math.max(1, near.length))),
        freshest: near.length === 0 ? reach : Math.max(FRESH_MIN, limit),
        filter: { ...filter, groupIdsNone: [...groups] },
      };
      const { found, more } = await findCandidates(query, popularity);
      candidates.push(...found);
      const scored = await score(candidates, toSimilarity, popularity);
      const reordered = reranked ? await rerank.order(history, scored) : undefined;
      const ordered = reordered ?? scored;
      const ranked = includeVariants ? ordered : bestOfGroup(ordered, ({ groupId }) => groupId);
      if (ranked.length >= limit || !more || round === ROUNDS_MAX) {
        const rerankerAway = reranked && reordered === undefined;
        return { items: ranked.slice(0, limit), rerankerAway };
      }
      reach = Math.min(reach * 4, REACH_MAX);
      for (const { product } of found) groups.add(product.groupId);
    }
  };

  async function score(
    found: readonly Candidate[],
    toSimilarity: (candidate: Candidate) => number,
    popularity: Popularity,
  ): Promise<ScoredProduct[]> {
    const { weights, freshnessHalfLifeMs, popularityFloor = 0 } = bundle.ranking;
    const now = Date.now();
    const [popularities, top] = await Promise.all([
      popularity.of(found.map(({ product }) => product.productId)),
      popularity.top(),
    ]);
    const popularityMax = Math.max(top[0]?.popularity ?? 0, ...popularities);
    const ranked = found.map((candidate, at) => {
      const { product } = candidate;
      const ofAll = popularityScore(popularities[at] ?? 0, popularityMax);
      const unweighted = Math.max(ofAll, popularityFloor);
      const { score: total, parts } = composeScore(
        {
          similarity: toSimilarity(candidate),
          popularity: unweighted,
          freshness: freshness(now - product.availableFromMs, freshnessHalfLifeMs),
        },
        weights,
      );
      const { productId, title, groupId } = product;
      return {
        productId,
        title,
        groupId,
        score: total,
        parts: { ...parts, reranking: 0 },
        popularity: unweighted,
      };
    });
    return ranked.sort((a, b) => b.score - a.score || (a.productId < b.productId ? -1 : 1));
  }

  /**
   * The similarity with the nearest of the vectors. A product that shares nothing with the query, or
   * has no vector, is neither near nor far: 0.
   */
  function similarityTo(near: readonly Float32Array[]): {
    readonly toSimilarity: (candidate: Candidate) => number;
    /** Whether the products' vectors are needed. */
    readonly withVectors: boolean;
  } {
    const fromDots = near.map((vector) =>
      similarityFromDot(bundle.similarity, bundle.fusion, vector),
    );
    const toSimilarity = ({ product, dots, vector: item }: Candidate): number => {
      if (dots === undefined) return 0;
      const similarities = near.map((vector, k) => {
        const fromDot = fromDots[k];
        if (fromDot !== undefined) return fromDot(dots[k]!, product.modalities);
        return item === undefined ? 0 : similarity(bundle.similarity, bundle.fusion, vector, item);
      });
      return Math.max(...similarities);
    };
    return { toSimilarity, withVectors: fromDots.includes(undefined) };
  }
}
