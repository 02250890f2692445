/** Truncated singular value decomposition of a sparse matrix by random subspace iteration. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { csrTimesDense, transposeCsr } from "./csr.js";
import type { Csr } from "./csr.js";
import { matmul } from "./gemm.js";
import { inner } from "./inner.js";
import { symmetricEigen } from "./symmetric-eigen.js";

interface RightSvd {
  /** Singular values, largest first; length rank. */
  readonly values: Float64Array;
  /** Right singular vectors as columns, shape [columns of A, rank]. */
  readonly right: Matrix;
}

const OVERSAMPLING = 20;
const ITERATIONS = 8;

/**
 * The largest singular values of A with their right vectors (Halko, Martinsson and Tropp, SIAM
 * Review 53 (2), 2011, algorithm 4.4): (A'A)^8 applied to random directions, made orthonormal after
 * each application, and a small eigenproblem within the space they span.
 * @param rank at most both sides of A
 * @throws RangeError for another rank
 */
export function rightSvd(a: Csr, rank: number, seed: number): RightSvd {
  const small = Math.min(a.rows, a.cols);
  if (!Number.isSafeInteger(rank) || rank < 1 || rank > small) {
    throw new RangeError(`svd: expected a rank from 1 to ${small}, got ${rank}`);
  }
  const width = Math.min(small, rank + OVERSAMPLING);
  const transposed = transposeCsr(a);
  let space = orthonormalColumns(
    matrix(a.cols, width, randomVector(mulberry32(seed), a.cols * width)),
  );
  for (let i = 0; i < ITERATIONS; i += 1) {
    space = orthonormalColumns(csrTimesDense(transposed, csrTimesDense(a, space)));
  }
  const image = csrTimesDense(a, space);
  const { values, vectors } = symmetricEigen(gram(image));
  const rotation = matrix(width, rank);
  for (let k = 0; k < rank; k += 1) {
    for (let i = 0; i < width; i += 1) rotation.data[i * rank + k] = vectors[k]![i]!;
  }
  return {
    values: Float64Array.from({ length: rank }, (_, k) => Math.sqrt(Math.max(0, values[k]!))),
    right: matmul(space, rotation),
  };
}

/** A'A in double precision, by rows. */
export function gram({ rows, cols, data }: Matrix): Float64Array[] {
  const sums = Array.from({ length: cols }, () => new Float64Array(cols));
  for (let r = 0; r < rows; r += 1) {
    const start = r * cols;
    for (let i = 0; i < cols; i += 1) {
      const x = data[start + i]!;
      if (x === 0) continue;
      const row = sums[i]!;
      for (let j = 0; j <= i; j += 1) row[j]! += x * data[start + j]!;
    }
  }
  for (let i = 0; i < cols; i += 1) {
    for (let j = i + 1; j < cols; j += 1) sums[i]![j] = sums[j]![i]!;
  }
  return sums;
}

/** A column that shrinks below this share of its length consists of rounding errors. */
const DEPENDENT = 1e-6;

/** Gram-Schmidt, each column twice (Golub and Van Loan, 5.2.9); a dependent one becomes zero. */
function orthonormalColumns(m: Matrix): Matrix {
  const done: Float64Array[] = [];
  const result = matrix(m.rows, m.cols);
  for (let k = 0; k < m.cols; k += 1) {
    const column = Float64Array.from({ length: m.rows }, (_, i) => m.data[i * m.cols + k]!);
    const before = Math.sqrt(inner(column, column));
    for (let pass = 0; pass < 2; pass += 1) {
      for (const other of done) {
        const share = inner(column, other);
        for (let i = 0; i < column.length; i += 1) column[i]! -= share * other[i]!;
      }
    }
    const length = Math.sqrt(inner(column, column));
    if (length <= DEPENDENT * before) continue;
    for (let i = 0; i < column.length; i += 1) {
      column[i]! /= length;
      result.data[i * m.cols + k] = column[i]!;
    }
    done.push(column);
  }
  return result;
}
