import { matrix, transpose } from "./matrix.js";
import type { Matrix } from "./matrix.js";
import { mulberry32, nearNormal } from "./random.js";

/**
 * A fixed, untrained projection between dimensions: random directions made orthonormal by modified
 * Gram-Schmidt in double precision (Golub and Van Loan, Matrix Computations, 5.2.8), rounded to
 * float32 at the end. The same seed gives the same bits on every platform, since nothing but
 * integer mixing, +, -, *, / and the square root is used, all exactly rounded by IEEE 754.
 *
 * Towards fewer dimensions the rows are orthonormal (P P' = I): P v is v seen in a random subspace,
 * and inner products are kept up to a factor toDims / fromDims and noise of order toDims^-1/2
 * (Johnson and Lindenstrauss, 1984). Towards more dimensions the columns are (P' P = I): lengths
 * and inner products are kept.
 *
 * @returns shape [toDims, fromDims]; v in R^fromDims becomes P v in R^toDims
 * @throws RangeError where a dimension is no positive integer or the seed no integer
 */
export function orthogonalProjection(fromDims: number, toDims: number, seed: number): Matrix {
  for (const dims of [fromDims, toDims]) {
    if (!Number.isSafeInteger(dims) || dims < 1) {
      throw new RangeError(`projection: dimensions must be positive integers, got ${dims}`);
    }
  }
  if (toDims > fromDims) return transpose(orthonormalRows(fromDims, toDims, seed));
  return orthonormalRows(toDims, fromDims, seed);
}

/** `count` orthonormal vectors of R^dims, count <= dims, as rows. */
function orthonormalRows(count: number, dims: number, seed: number): Matrix {
  const uniform = mulberry32(seed);
  const result = matrix(count, dims);
  const rows: Float64Array[] = [];
  for (let i = 0; i < count; i += 1) {
    const row = Float64Array.from({ length: dims }, () => nearNormal(uniform));
    for (const earlier of rows) {
      const share = dot64(row, earlier);
      for (let j = 0; j < dims; j += 1) row[j]! -= share * earlier[j]!;
    }
    const length = Math.sqrt(dot64(row, row));
    // Random directions are dependent with probability 0 but for rounding.
    if (length < 1e-9) throw new RangeError(`projection: seed ${seed} gives dependent rows`);
    for (let j = 0; j < dims; j += 1) row[j]! /= length;
    rows.push(row);
    result.data.set(row, i * dims);
  }
  return result;
}

function dot64(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i]! * b[i]!;
  return sum;
}
