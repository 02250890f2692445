/** Division of rows by their length, with its gradient. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";

/** Rows of length 1 and the lengths they had. */
export interface Normalised {
  readonly rows: Matrix;
  readonly lengths: Float64Array;
}

/** Each row divided by its length; a zero row stays zero. */
export function normalised(m: Matrix): Normalised {
  const rows = matrix(m.rows, m.cols);
  const lengths = new Float64Array(m.rows);
  for (let i = 0; i < m.rows; i += 1) {
    const start = i * m.cols;
    let squares = 0;
    for (let j = start; j < start + m.cols; j += 1) squares += m.data[j]! * m.data[j]!;
    lengths[i] = Math.sqrt(squares);
    if (squares === 0) continue;
    const factor = 1 / lengths[i]!;
    for (let j = start; j < start + m.cols; j += 1) rows.data[j] = m.data[j]! * factor;
  }
  return { rows, lengths };
}

/** (g - v (v'g)) / |s| by row; zero where s was. */
export function backwardNormalise(gradient: Matrix, { rows, lengths }: Normalised): Matrix {
  const result = matrix(rows.rows, rows.cols);
  for (let i = 0; i < rows.rows; i += 1) {
    if (lengths[i] === 0) continue;
    const start = i * rows.cols;
    let along = 0;
    for (let j = start; j < start + rows.cols; j += 1) along += rows.data[j]! * gradient.data[j]!;
    const factor = 1 / lengths[i]!;
    for (let j = start; j < start + rows.cols; j += 1) {
      result.data[j] = factor * (gradient.data[j]! - along * rows.data[j]!);
    }
  }
  return result;
}
