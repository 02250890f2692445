/** The graph of similar products over which the item tower may smooth. */
import type { Matrix } from "@marquetry/model/matrix";
import type { Csr } from "../linear-algebra/csr.js";
import { product } from "../linear-algebra/gemm.js";
import { gatherRows, rowOf } from "../linear-algebra/rows.js";
import { best } from "../evaluation/top-lists.js";

const BLOCK_ROWS = 512;

/**
 * D^-1/2 C D^-1/2 without its diagonal, cut to each row's `count` largest entries; D holds the row
 * sums of C, so that a product which everybody had is near nobody.
 */
export function nearestByBehaviour(coOccurrence: Csr, count: number): Csr {
  const { rows, starts, columns, values } = coOccurrence;
  const degrees = Float64Array.from({ length: rows }, (_, i) =>
    values.subarray(starts[i], starts[i + 1]).reduce((sum, value) => sum + value, 0),
  );
  return fromRows(rows, (i) => {
    const entries: [number, number][] = [];
    for (let e = starts[i]!; e < starts[i + 1]!; e += 1) {
      const j = columns[e]!;
      if (j !== i) entries.push([j, values[e]! / Math.sqrt(degrees[i]! * degrees[j]!)]);
    }
    return entries.sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, count);
  });
}

/** Each product's `count` nearest others by the cosine of rows of length 1, each weighing
 * cosine / count; those with a cosine of at most 0 are left out. */
export function nearestByContent(rows: Matrix, count: number): Csr {
  const nearest: [number, number][][] = [];
  for (let from = 0; from < rows.rows; from += BLOCK_ROWS) {
    const height = Math.min(BLOCK_ROWS, rows.rows - from);
    const block = gatherRows(
      rows,
      Array.from({ length: height }, (_, i) => from + i),
    );
    const cosines = product(block, rows, { transposeB: true });
    for (let i = 0; i < height; i += 1) {
      const row = rowOf(cosines, i);
      row[from + i] = -Infinity;
      const found = Array.from(best(row, count)).filter((j) => row[j]! > 0);
      nearest.push(found.map((j) => [j, row[j]! / count]));
    }
  }
  return fromRows(rows.rows, (i) => nearest[i]!);
}

/** A + share * B. */
export function addGraphs(a: Csr, b: Csr, share: number): Csr {
  return fromRows(a.rows, (i) => {
    const row = new Map<number, number>();
    for (const [graph, factor] of [
      [a, 1],
      [b, share],
    ] as const) {
      for (let e = graph.starts[i]!; e < graph.starts[i + 1]!; e += 1) {
        const j = graph.columns[e]!;
        row.set(j, (row.get(j) ?? 0) + factor * graph.values[e]!);
      }
    }
    return [...row];
  });
}

/** A square matrix from each row's entries, in any order. */
function fromRows(size: number, entriesOf: (row: number) => readonly [number, number][]): Csr {
  const starts = new Int32Array(size + 1);
  const columns: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < size; i += 1) {
    for (const [j, value] of entriesOf(i).toSorted((a, b) => a[0] - b[0])) {
      columns.push(j);
      values.push(value);
    }
    starts[i + 1] = columns.length;
  }
  return {
    rows: size,
    cols: size,
    starts,
    columns: Int32Array.from(columns),
    values: Float64Array.from(values),
  };
}
