/**
 * Products as a graph: an edge joins two products of the same users (collaborative) or of similar
 * content. The item tower adds to every product a share of its neighbours (one layer of LightGCN, He et al., SIGIR
 * 2020; edges by content as in LATTICE, Zhang et al., ACM MM 2021).
 */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { addCsr, csrOf, rowSums, scaleCsr, transposeCsr } from "../linear-algebra/csr.js";
import type { Csr, Entry } from "../linear-algebra/csr.js";
import { matmul } from "../linear-algebra/gemm.js";
import { largestPlaces } from "../linear-algebra/largest.js";
import { gatherRows } from "../linear-algebra/rows.js";
import { coOccurrence } from "./co-occurrence.js";

const COLLABORATIVE_NEIGHBOURS = 20;
const CONTENT_NEIGHBOURS = 10;
/** Weight of the edges by content beside the collaborative ones. */
const CONTENT_SHARE = 0.5;
const BLOCK = 512;

/**
 * G = G_b + G_c / 2, symmetric. G_b has the 20 strongest of every row of D^-1/2 C D^-1/2 with
 * C = X' D_u^-1 X without its diagonal and D its row sums; G_c the 10 of largest mean cosine over
 * the modalities, normalised likewise. An edge that both sides keep counts twice.
 * @param content by modality, rows of length 1 or 0, shape [items, ..]
 */
export function productGraph(
  train: readonly Int32Array[],
  items: number,
  content: Readonly<Record<string, Matrix>>,
): Csr {
  const coOccurring = normalisedByDegree(withoutDiagonal(coOccurrence(train, items)));
  const collaborative = bothWays(strongest(coOccurring, COLLABORATIVE_NEIGHBOURS));
  const alike = normalisedByDegree(bothWays(alikeByContent(Object.values(content), items)));
  return addCsr(collaborative, alike, CONTENT_SHARE);
}

/** The values of the diagonal become 0, which counts as no edge. */
function withoutDiagonal(a: Csr): Csr {
  const values = a.values.slice();
  for (let i = 0; i < a.rows; i += 1) {
    for (let e = a.starts[i]!; e < a.starts[i + 1]!; e += 1) if (a.columns[e] === i) values[e] = 0;
  }
  return { ...a, values };
}

/** D^-1/2 A D^-1/2 with D the row sums of a symmetric A. */
function normalisedByDegree(a: Csr): Csr {
  const scale = rowSums(a).map((degree) => (degree > 0 ? 1 / Math.sqrt(degree) : 0));
  return scaleCsr(a, scale, scale);
}

/** The largest values of each row. */
function strongest(a: Csr, count: number): Csr {
  return csrOf(
    a.cols,
    rowsOf(a).map((row) =>
      row.toSorted((x, y) => y.value - x.value || x.column - y.column).slice(0, count),
    ),
  );
}

/** A + A': an edge that both sides choose counts twice. */
function bothWays(a: Csr): Csr {
  return addCsr(a, transposeCsr(a), 1);
}

/** Of every product the others of largest mean cosine, where it is above 0. */
function alikeByContent(modalities: readonly Matrix[], items: number): Csr {
  const rows: Entry[][] = [];
  for (let from = 0; from < items; from += BLOCK) {
    const block = Array.from({ length: Math.min(BLOCK, items - from) }, (_, i) => from + i);
    const sums = new Float64Array(block.length * items);
    for (const modality of modalities) {
      const cosines = matmul(gatherRows(modality, block), modality, { transposeB: true }).data;
      for (let e = 0; e < sums.length; e += 1) sums[e]! += cosines[e]! / modalities.length;
    }
    for (const [i, item] of block.entries()) {
      const row = sums.subarray(i * items, (i + 1) * items);
      row[item] = 0;
      const places = largestPlaces(row, CONTENT_NEIGHBOURS, 0);
      rows.push(Array.from(places, (column) => ({ column, value: row[column]! })));
    }
  }
  return csrOf(items, rows);
}

function rowsOf({ rows, starts, columns, values }: Csr): Entry[][] {
  return Array.from({ length: rows }, (_, i) => {
    const row: Entry[] = [];
    for (let e = starts[i]!; e < starts[i + 1]!; e += 1) {
      row.push({ column: columns[e]!, value: values[e]! });
    }
    return row;
  });
}
