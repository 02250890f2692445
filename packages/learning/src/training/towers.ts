/** What users and products go through before they meet: a residual projection each. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { addTo } from "../linear-algebra/rows.js";

/** T by side, shape [d, d]; zeros leave the vectors as they are. */
export interface Towers {
  readonly user: Matrix;
  readonly item: Matrix;
}

/**
 * (I + T) x for every row x.
 * @param rows shape [n, d]
 * @param tower T, shape [d, d]
 * @returns a new matrix, shape [n, d]
 */
export function residualProjection(rows: Matrix, tower: Matrix): Matrix {
  const result = matmul(rows, tower, { transposeB: true });
  addTo(result.data, rows.data);
  return result;
}
