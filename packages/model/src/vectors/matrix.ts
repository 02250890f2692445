/** Dense matrices, row-major float32; sums in double precision. */

/** Element (i, j) is `data[i * cols + j]`. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  /** Length rows * cols. */
  readonly data: Float32Array;
}

/**
 * A matrix over the data (not copied). Default: zeros.
 * @throws RangeError where a side is no positive integer or the data have another length
 */
export function matrix(
  rows: number,
  cols: number,
  data: Float32Array = new Float32Array(rows * cols),
): Matrix {
  const result = { rows, cols, data };
  assertMatrix(result, "matrix");
  return result;
}

/**
 * The identity, shape [dims, dims].
 * @throws RangeError where dims is no positive integer
 */
export function identity(dims: number): Matrix {
  const result = matrix(dims, dims);
  for (let i = 0; i < dims; i += 1) result.data[i * dims + i] = 1;
  return result;
}

/**
 * Refuses a matrix whose sides and data do not agree.
 * @throws RangeError that names the matrix
 */
export function assertMatrix(m: Matrix, name: string): void {
  for (const side of [m.rows, m.cols]) {
    if (!Number.isSafeInteger(side) || side < 1) {
      throw new RangeError(`${name}: sides must be positive integers, got ${m.rows} x ${m.cols}`);
    }
  }
  if (m.data.length !== m.rows * m.cols) {
    throw new RangeError(`${name}: ${m.rows} x ${m.cols} does not hold ${m.data.length} values`);
  }
}

/**
 * M v.
 * @param m shape [rows, cols]
 * @param v shape [cols]
 * @returns shape [rows]
 * @throws RangeError where the shapes do not agree
 */
export function matVec(m: Matrix, v: Float32Array): Float32Array {
  if (v.length !== m.cols) {
    throw new RangeError(`matVec: ${m.rows} x ${m.cols} cannot take ${v.length} dimensions`);
  }
  const result = new Float32Array(m.rows);
  for (let i = 0; i < m.rows; i += 1) {
    const start = i * m.cols;
    let sum = 0;
    for (let j = 0; j < m.cols; j += 1) sum += m.data[start + j]! * v[j]!;
    result[i] = sum;
  }
  return result;
}

/**
 * M', a new matrix.
 * @param m shape [rows, cols]
 * @returns shape [cols, rows]
 */
export function transpose(m: Matrix): Matrix {
  const result = matrix(m.cols, m.rows);
  for (let i = 0; i < m.rows; i += 1) {
    for (let j = 0; j < m.cols; j += 1) result.data[j * m.rows + i] = m.data[i * m.cols + j]!;
  }
  return result;
}
