/** Operations row by row. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { normalised } from "./normalised.js";

/** Row i as a view. */
export function rowOf({ cols, data }: Matrix, i: number): Float32Array {
  return data.subarray(i * cols, (i + 1) * cols);
}

/** Each row divided by its length, a new matrix; a zero row stays zero. */
export function normaliseRows(m: Matrix): Matrix {
  return normalised(m).rows;
}

/** Copies of the rows with these numbers, one below the other. */
export function gatherRows(m: Matrix, indices: ArrayLike<number>): Matrix {
  const result = matrix(indices.length, m.cols);
  for (let i = 0; i < indices.length; i += 1) rowOf(result, i).set(rowOf(m, indices[i]!));
  return result;
}

/** [A, B, ...] side by side. @throws RangeError where the numbers of rows differ */
export function besideRows(...parts: readonly Matrix[]): Matrix {
  const rows = parts[0]?.rows ?? 0;
  const result = matrix(
    rows,
    parts.reduce((sum, { cols }) => sum + cols, 0),
  );
  let start = 0;
  for (const part of parts) {
    if (part.rows !== rows) throw new RangeError(`beside: ${rows} and ${part.rows} rows`);
    for (let i = 0; i < rows; i += 1) rowOf(result, i).set(rowOf(part, i), start);
    start += part.cols;
  }
  return result;
}

/**
 * Adds factor * row i of `from` to row rows[i] of `to`, in place.
 * @param rows a number may stand several times
 * @param factor Default: 1.
 */
export function addToRows(to: Matrix, rows: ArrayLike<number>, from: Matrix, factor = 1): void {
  for (let i = 0; i < rows.length; i += 1) {
    const [target, source] = [rowOf(to, rows[i]!), rowOf(from, i)];
    for (let j = 0; j < target.length; j += 1) target[j]! += factor * source[j]!;
  }
}

/** Adds `from` to `to`, element by element, in place. */
export function addTo(to: Float32Array, from: Float32Array): void {
  for (let i = 0; i < to.length; i += 1) to[i]! += from[i]!;
}

/** Adds the sum of the rows to `to`, of length m.cols, in place. */
export function addColumnSums(to: Float32Array, m: Matrix): void {
  for (let i = 0; i < m.rows; i += 1) {
    const start = i * m.cols;
    for (let j = 0; j < m.cols; j += 1) to[j]! += m.data[start + j]!;
  }
}
