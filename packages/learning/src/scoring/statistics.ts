/** Statistics of samples. */

/** A mean and its standard error. */
export interface Mean {
  readonly value: number;
  readonly standardError: number;
}

/** The mean with s / sqrt(n), s the sample's standard deviation. */
export function meanOf(values: readonly number[]): Mean {
  const n = values.length;
  const value = values.reduce((sum, x) => sum + x, 0) / n;
  return { value, standardError: deviationOf(values) / Math.sqrt(n) };
}

/** The standard deviation of the sample; 0 for a single value. */
export function deviationOf(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/** The Gini coefficient, in [0, 1): sum_i (2 i - n - 1) x_i / (n sum x) over rising x. Shani and Gunawardana (2011) divide by n - 1
 * instead of n, which for thousands of products is the same to three places. */
export function giniOf(counts: Float64Array): number {
  const rising = counts.toSorted();
  const n = rising.length;
  const total = rising.reduce((sum, x) => sum + x, 0);
  if (total === 0) return 0;
  return rising.reduce((sum, x, i) => sum + (2 * (i + 1) - n - 1) * x, 0) / (n * total);
}
