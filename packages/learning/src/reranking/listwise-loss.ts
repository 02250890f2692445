/** The loss of a linear re-ranker. */
import type { Evaluated } from "./lbfgs.js";

/** The candidates of one evaluated user. */
export interface RankedList {
  /** Shape [candidates, features], row-major. */
  readonly features: Float32Array | Float64Array;
  /** The place of the target among the candidates. */
  readonly target: number;
}

/**
 * L(w) = mean over lists of -log softmax(X w)_target + l2 |w|^2 (ListNet's top-one likelihood with
 * one relevant candidate, Cao et al., ICML 2007), which is convex.
 * @param w shape [features]
 */
export function listwiseLoss(lists: readonly RankedList[], w: Float64Array, l2: number): Evaluated {
  const gradient = new Float64Array(w.length);
  let value = 0;
  for (const { features, target } of lists) {
    const scores = scoresOf(features, w);
    const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const exps = scores.map((score) => Math.exp(score - most));
    const sum = exps.reduce((a, b) => a + b, 0);
    value += Math.log(sum) + most - scores[target]!;
    for (let row = 0; row < exps.length; row += 1) {
      const error = exps[row]! / sum - (row === target ? 1 : 0);
      for (let j = 0; j < w.length; j += 1) gradient[j]! += error * features[row * w.length + j]!;
    }
  }
  for (let j = 0; j < w.length; j += 1) {
    gradient[j] = gradient[j]! / lists.length + 2 * l2 * w[j]!;
    value += lists.length * l2 * w[j]! * w[j]!;
  }
  return { value: value / lists.length, gradient };
}

/** X w, shape [candidates]. */
function scoresOf(features: Float32Array | Float64Array, w: Float64Array): Float64Array {
  const scores = new Float64Array(features.length / w.length);
  for (let row = 0; row < scores.length; row += 1) {
    let score = 0;
    for (let j = 0; j < w.length; j += 1) score += w[j]! * features[row * w.length + j]!;
    scores[row] = score;
  }
  return scores;
}
