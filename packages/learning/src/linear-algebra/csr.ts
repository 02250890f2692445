/** Sparse matrices by compressed rows (CSR). Sums in double precision. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";

export interface Csr {
  readonly rows: number;
  readonly cols: number;
  /** Row i holds entries starts[i] up to starts[i + 1]; length rows + 1. */
  readonly starts: Int32Array;
  /** Column of each entry, rising within a row. */
  readonly columns: Int32Array;
  readonly values: Float64Array;
}

/** One value of a row. */
export interface Entry {
  readonly column: number;
  readonly value: number;
}

/**
 * @param rows the entries of each row, in any order, each column once
 * @returns shape [number of rows, cols]
 */
export function csrOf(cols: number, rows: readonly (readonly Entry[])[]): Csr {
  const starts = new Int32Array(rows.length + 1);
  for (const [i, row] of rows.entries()) starts[i + 1] = starts[i]! + row.length;
  const sorted = rows.flatMap((row) => row.toSorted((a, b) => a.column - b.column));
  return {
    rows: rows.length,
    cols,
    starts,
    columns: Int32Array.from(sorted, ({ column }) => column),
    values: Float64Array.from(sorted, ({ value }) => value),
  };
}

/** A + factor B, both of one shape. */
export function addCsr(a: Csr, b: Csr, factor: number): Csr {
  const rows = Array.from({ length: a.rows }, (_, i) => {
    const sums = new Map<number, number>();
    for (let e = a.starts[i]!; e < a.starts[i + 1]!; e += 1) sums.set(a.columns[e]!, a.values[e]!);
    for (let e = b.starts[i]!; e < b.starts[i + 1]!; e += 1) {
      const column = b.columns[e]!;
      sums.set(column, (sums.get(column) ?? 0) + factor * b.values[e]!);
    }
    return Array.from(sums, ([column, value]) => ({ column, value }));
  });
  return csrOf(a.cols, rows);
}

/**
 * Which user (row) had which product (column).
 * @param lists products by user
 * @returns shape [users, cols]; 1 for each product of a user, repeated or not
 */
export function incidence(lists: readonly Int32Array[], cols: number): Csr {
  const rows = lists.map((list) => Int32Array.from(new Set(list)).sort());
  const starts = new Int32Array(rows.length + 1);
  rows.forEach((row, i) => {
    starts[i + 1] = starts[i]! + row.length;
  });
  const columns = new Int32Array(starts[rows.length]!);
  rows.forEach((row, i) => columns.set(row, starts[i]));
  return {
    rows: rows.length,
    cols,
    starts,
    columns,
    values: new Float64Array(columns.length).fill(1),
  };
}

/** A', with the columns of each row in order. */
export function transposeCsr({ rows, cols, starts, columns, values }: Csr): Csr {
  const newStarts = new Int32Array(cols + 1);
  for (const column of columns) newStarts[column + 1]! += 1;
  for (let j = 0; j < cols; j += 1) newStarts[j + 1]! += newStarts[j]!;
  const next = newStarts.slice();
  const newColumns = new Int32Array(columns.length);
  const newValues = new Float64Array(columns.length);
  for (let i = 0; i < rows; i += 1) {
    for (let e = starts[i]!; e < starts[i + 1]!; e += 1) {
      const column = columns[e]!;
      const at = next[column]!;
      newColumns[at] = i;
      newValues[at] = values[e]!;
      next[column] = at + 1;
    }
  }
  return { rows: cols, cols: rows, starts: newStarts, columns: newColumns, values: newValues };
}

/** Number of entries of each row. */
export function rowCounts({ rows, starts }: Csr): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => starts[i + 1]! - starts[i]!);
}

/** Sum of the values of each row. */
export function rowSums({ rows, starts, values }: Csr): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) =>
    values.subarray(starts[i], starts[i + 1]).reduce((sum, value) => sum + value, 0),
  );
}

/** diag(r) A diag(c). */
export function scaleCsr(a: Csr, byRow: Float64Array, byColumn: Float64Array): Csr {
  const values = a.values.slice();
  for (let i = 0; i < a.rows; i += 1) {
    for (let e = a.starts[i]!; e < a.starts[i + 1]!; e += 1) {
      values[e]! *= byRow[i]! * byColumn[a.columns[e]!]!;
    }
  }
  return { ...a, values };
}

/**
 * A B for a dense B.
 * @returns shape [rows of A, cols of B], rounded to float32 at the end of each row
 * @throws RangeError where the inner sides differ
 */
export function csrTimesDense(a: Csr, b: Matrix): Matrix {
  if (a.cols !== b.rows) {
    throw new RangeError(`matmul: ${a.rows} x ${a.cols} cannot take ${b.rows} x ${b.cols}`);
  }
  const result = matrix(a.rows, b.cols);
  const sums = new Float64Array(b.cols);
  for (let i = 0; i < a.rows; i += 1) {
    sums.fill(0);
    for (let e = a.starts[i]!; e < a.starts[i + 1]!; e += 1) {
      const value = a.values[e]!;
      const start = a.columns[e]! * b.cols;
      for (let j = 0; j < b.cols; j += 1) sums[j]! += value * b.data[start + j]!;
    }
    result.data.set(sums, i * b.cols);
  }
  return result;
}

/** A B for a sparse B, by Gustavson's row merge (ACM TOMS 4 (3), 1978). */
export function csrTimesCsr(a: Csr, b: Csr): Csr {
  const sums = new Float64Array(b.cols);
  const touched = new Uint8Array(b.cols);
  const starts = new Int32Array(a.rows + 1);
  const columns: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < a.rows; i += 1) {
    const row: number[] = [];
    for (let e = a.starts[i]!; e < a.starts[i + 1]!; e += 1) {
      const k = a.columns[e]!;
      for (let f = b.starts[k]!; f < b.starts[k + 1]!; f += 1) {
        const j = b.columns[f]!;
        if (touched[j] === 0) {
          touched[j] = 1;
          row.push(j);
        }
        sums[j]! += a.values[e]! * b.values[f]!;
      }
    }
    for (const j of row.sort((x, y) => x - y)) {
      columns.push(j);
      values.push(sums[j]!);
      sums[j] = 0;
      touched[j] = 0;
    }
    starts[i + 1] = columns.length;
  }
  return {
    rows: a.rows,
    cols: b.cols,
    starts,
    columns: Int32Array.from(columns),
    values: Float64Array.from(values),
  };
}
