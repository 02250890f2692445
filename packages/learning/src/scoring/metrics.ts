/** Metrics of a set of ranked lists. */
import { ndcgAt, recallAt } from "@marquetry/model/ranking/metrics";
import { giniOf, meanOf } from "./statistics.js";
import type { Mean } from "./statistics.js";
import type { TopLists } from "./top-lists.js";

export interface MetricsAt {
  readonly k: number;
  readonly recall: Mean;
  readonly ndcg: Mean;
  /** Share of all products that are on at least one list (catalogue coverage, Ge et al., RecSys
   * 2010). */
  readonly coverage: number;
  /** Gini coefficient of how often products are shown: 0 all alike, near 1 a few take all. */
  readonly gini: number;
  /** Mean over shown products of -log2 of the share of users with the product (surprisal, Zhou et al.,
   * PNAS 2010), in bits. One more user with every product is added, so that the share of new products
   * is not 0. Repeated interactions count each time. */
  readonly novelty: number;
}

export const CUTOFFS = [10, 20, 50] as const;

/**
 * The metrics of the first k of each list.
 * @param targets by user
 * @param counts by product, how many of `userCount` users had it in training
 */
export function metricsAt(
  k: number,
  { users, lists }: TopLists,
  targets: readonly Int32Array[],
  counts: Float64Array,
  userCount: number,
): MetricsAt {
  const recalls: number[] = [];
  const gains: number[] = [];
  const shown = new Float64Array(counts.length);
  let information = 0;
  for (const [i, list] of lists.entries()) {
    const relevant = new Set(targets[users[i]!]);
    const first = Array.from(list.subarray(0, k));
    for (const item of first) {
      shown[item]! += 1;
      information -= Math.log2((counts[item]! + 1) / (userCount + 1));
    }
    recalls.push(recallAt(first, relevant, k));
    gains.push(ndcgAt(first, relevant, k));
  }
  const places = shown.reduce((sum, count) => sum + count, 0);
  return {
    k,
    recall: meanOf(recalls),
    ndcg: meanOf(gains),
    coverage: shown.filter((count) => count > 0).length / shown.length,
    gini: giniOf(shown),
    novelty: places === 0 ? 0 : information / places,
  };
}
