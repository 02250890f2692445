/** Operations row by row. Sums in double precision. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";

/** Row i as a view. */
export function rowOf({ cols, data }: Matrix, i: number): Float32Array {
  return data.subarray(i * cols, (i + 1) * cols);
}

/** Each row divided by its length, a new matrix; a zero row stays zero. */
export function normaliseRows(m: Matrix): Matrix {
  const result = matrix(m.rows, m.cols);
  for (let i = 0; i < m.rows; i += 1) {
    const from = rowOf(m, i);
    let squares = 0;
    for (const value of from) squares += value * value;
    if (squares === 0) continue;
    const factor = 1 / Math.sqrt(squares);
    const to = rowOf(result, i);
    for (let j = 0; j < from.length; j += 1) to[j] = from[j]! * factor;
  }
  return result;
}

/** The rows with the given numbers, copied one below the other. */
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
