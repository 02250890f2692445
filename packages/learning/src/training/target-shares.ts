import { countItems } from "../dataset/dataset.js";

/** How often each product is a target, as a share; shape [items]. */
export function targetShares(train: readonly Int32Array[], items: number): Float64Array {
  const counts = countItems(train, items);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => count / total);
}
