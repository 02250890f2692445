/** The inverse of a large symmetric positive definite matrix. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "./gemm.js";
import { rowOf } from "./rows.js";

/** Up to here elimination in double precision; above, halves by matmul. */
const DIRECT = 96;

/**
 * A^-1 by the inverse of a partition: with A = [[P, Q], [Q', R]] and S = R - Q' P^-1 Q,
 * A^-1 = [[P^-1 + Y S^-1 Y', -Y S^-1], [-S^-1 Y', S^-1]], Y = P^-1 Q. Both P and S are positive
 * definite, so no pivots are needed. About n^3 2/3 multiplications.
 * @param a symmetric positive definite
 * @throws RangeError where it is not
 */
export function spdInverse(a: Matrix): Matrix {
  if (a.rows !== a.cols) throw new RangeError(`inverse: ${a.rows} x ${a.cols} is not square`);
  if (a.rows <= DIRECT) return eliminate(a);
  const half = a.rows >> 1;
  const rest = a.rows - half;
  const upper = spdInverse(part(a, 0, 0, half, half));
  const side = part(a, 0, half, half, rest);
  const y = matmul(upper, side);
  const complement = subtract(
    part(a, half, half, rest, rest),
    matmul(side, y, { transposeA: true }),
  );
  const lower = spdInverse(complement);
  const ys = matmul(y, lower);
  const correction = matmul(ys, y, { transposeB: true });
  const inverse = matrix(a.rows, a.rows);
  for (let i = 0; i < half; i += 1) {
    const row = rowOf(inverse, i);
    for (let j = 0; j < half; j += 1)
      row[j] = upper.data[i * half + j]! + correction.data[i * half + j]!;
    for (let j = 0; j < rest; j += 1) row[half + j] = -ys.data[i * rest + j]!;
  }
  for (let i = 0; i < rest; i += 1) {
    const row = rowOf(inverse, half + i);
    for (let j = 0; j < half; j += 1) row[j] = -ys.data[j * rest + i]!;
    row.set(rowOf(lower, i), half);
  }
  return inverse;
}

/** Gauss-Jordan in place, in double precision. */
function eliminate(a: Matrix): Matrix {
  const n = a.rows;
  const m = Array.from({ length: n }, (_, i) => Float64Array.from(rowOf(a, i)));
  for (let k = 0; k < n; k += 1) {
    const pivotRow = m[k]!;
    const pivot = pivotRow[k]!;
    if (!(pivot > 0)) throw new RangeError("inverse: the matrix is not positive definite");
    pivotRow[k] = 1;
    for (let j = 0; j < n; j += 1) pivotRow[j]! /= pivot;
    for (const [i, row] of m.entries()) {
      if (i === k) continue;
      const factor = row[k]!;
      row[k] = 0;
      for (let j = 0; j < n; j += 1) row[j]! -= factor * pivotRow[j]!;
    }
  }
  const result = matrix(n, n);
  for (const [i, row] of m.entries()) rowOf(result, i).set(row);
  return result;
}

function part(a: Matrix, row: number, col: number, rows: number, cols: number): Matrix {
  const result = matrix(rows, cols);
  for (let i = 0; i < rows; i += 1) {
    rowOf(result, i).set(rowOf(a, row + i).subarray(col, col + cols));
  }
  return result;
}

/** a - b, into a. */
function subtract(a: Matrix, b: Matrix): Matrix {
  for (let i = 0; i < a.data.length; i += 1) a.data[i]! -= b.data[i]!;
  return a;
}
