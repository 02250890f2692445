/** Metrics of a set of ranked lists. */
import { ndcgAt, recallAt } from "@marquetry/model/metrics";
import type { TopLists } from "./top-lists.js";

/** A mean over users and its standard error. */
export interface Mean {
  readonly value: number;
  readonly standardError: number;
}

export interface MetricsAt {
  readonly k: number;
  readonly recall: Mean;
  readonly ndcg: Mean;
  /** Share of all products that stand on at least one list (catalogue coverage, Ge et al., RecSys
   * 2010). */
  readonly coverage: number;
  /** Gini coefficient of how often products are shown: 0 all alike, near 1 a few take all. */
  readonly gini: number;
  /** Mean over shown products of -log2 of the share of users who had the product (surprisal, Zhou et
   * al., PNAS 2010), with one more user who had everything, so that new products have one too. A
   * product that a user had twice counts twice. */
  readonly novelty: number;
}

export const CUTOFFS = [10, 20, 50] as const;

/**
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

/** The mean with s / sqrt(n), s the sample's standard deviation. */
export function meanOf(values: readonly number[]): Mean {
  const n = values.length;
  const value = values.reduce((sum, x) => sum + x, 0) / n;
  return { value, standardError: deviationOf(values) / Math.sqrt(n) };
}

/** The sample's standard deviation; 0 for a single value. */
export function deviationOf(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/** sum_i (2 i - n - 1) x_i / (n sum x) over rising x. Shani and Gunawardana (2011) divide by n - 1
 * instead of n, which for thousands of products is the same to three places. */
export function giniOf(counts: Float64Array): number {
  const rising = counts.toSorted();
  const n = rising.length;
  const total = rising.reduce((sum, x) => sum + x, 0);
  if (total === 0) return 0;
  return rising.reduce((sum, x, i) => sum + (2 * (i + 1) - n - 1) * x, 0) / (n * total);
}
