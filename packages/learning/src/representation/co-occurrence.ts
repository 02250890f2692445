import {
  csrTimesCsr,
  incidence,
  rowCounts,
  scaleCsr,
  transposeCsr,
} from "../linear-algebra/csr.js";
import type { Csr } from "../linear-algebra/csr.js";

/**
 * X' D_u^-1 X: how often two products stand in one history, where a long history counts less.
 * @param train by user
 * @returns symmetric, shape [items, items]
 */
export function coOccurrence(train: readonly Int32Array[], items: number): Csr {
  const x = incidence(train, items);
  const byUser = rowCounts(x).map((count) => (count === 0 ? 0 : 1 / count));
  const ones = new Float64Array(items).fill(1);
  return csrTimesCsr(transposeCsr(x), scaleCsr(x, byUser, ones));
}
