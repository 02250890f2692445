/** Fitting a linear re-ranker. */
import { minimise } from "./lbfgs.js";
import { listwiseLoss } from "./listwise-loss.js";
import type { RankedList } from "./listwise-loss.js";

/**
 * The weights of least loss. Features are divided by their standard deviations, so that l2 weighs
 * all of them alike and few steps reach the minimum.
 * @param features number of features
 * @returns weights of the features before that division
 * @throws RangeError without lists
 */
export function fitListwise(
  lists: readonly RankedList[],
  features: number,
  l2: number,
): Float64Array {
  if (lists.length === 0) throw new RangeError("re-ranker: no user whose target is a candidate");
  const deviations = deviationsOf(lists, features);
  const scaled = lists.map((list) => ({
    target: list.target,
    features: list.features.map((x, at) => x / deviations[at % features]!),
  }));
  const { at } = minimise((w) => listwiseLoss(scaled, w, l2), new Float64Array(features));
  return at.map((weight, j) => weight / deviations[j]!);
}

/** 1 for a feature that never changes. */
function deviationsOf(lists: readonly RankedList[], features: number): Float64Array {
  const [sums, squares] = [new Float64Array(features), new Float64Array(features)];
  let rows = 0;
  for (const list of lists) {
    rows += list.features.length / features;
    for (const [at, x] of list.features.entries()) {
      sums[at % features]! += x;
      squares[at % features]! += x * x;
    }
  }
  return sums.map((sum, j) => {
    const variance = squares[j]! / rows - (sum / rows) ** 2;
    return variance > 1e-12 ? Math.sqrt(variance) : 1;
  });
}
