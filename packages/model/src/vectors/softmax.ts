/**
 * softmax(e)_i = exp(e_i) / sum_j exp(e_j), computed after subtracting the largest score, so that
 * no score overflows. Masking is done by leaving an entry out: what is absent has no weight and
 * the weights of the rest sum to 1.
 * @param scores length n >= 1
 * @returns n weights in [0, 1] that sum to 1
 * @throws RangeError where there is no score or one is not finite
 */
export function softmax(scores: readonly number[]): number[] {
  if (scores.length === 0) throw new RangeError("softmax: no scores");
  if (!scores.every(Number.isFinite)) throw new RangeError("softmax: a score is not finite");
  const largest = scores.reduce((a, b) => Math.max(a, b));
  const exponentials = scores.map((score) => Math.exp(score - largest));
  const total = exponentials.reduce((a, b) => a + b);
  return exponentials.map((exponential) => exponential / total);
}
