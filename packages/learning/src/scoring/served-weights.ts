/** The weights of a ranking as a bundle has them. */
import type { RankingSettings } from "./ranking.js";

/** Services divide log(1 + popularity) by that of the most popular product. */
export function servedWeights(
  { popularity }: RankingSettings,
  counts: Float64Array,
): { readonly similarity: number; readonly popularity: number } {
  return { similarity: 1, popularity: popularity * Math.log1p(largestOf(counts)) };
}

/** 0 where nothing is counted. */
export function largestOf(counts: Float64Array): number {
  return counts.reduce((a, b) => Math.max(a, b), 0);
}
