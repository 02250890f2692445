import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { incidence, rowCounts, scaleCsr, transposeCsr } from "../linear-algebra/csr.js";
import { normaliseRows } from "../linear-algebra/rows.js";
import { rightSvd } from "../linear-algebra/svd.js";

const USER_POWER = -0.5;
const ITEM_POWER = -0.4;

/**
 * Collaborative vectors in closed form: E = rownorm(V S) from the SVD of
 * D_u^-0.5 X D_i^-0.4. The row of a product without interactions is zero: it lacks the modality.
 * @param train by user
 * @returns shape [items, rank]; fewer columns where the data have fewer users or products
 */
export function collaborativeRows(
  train: readonly Int32Array[],
  items: number,
  rank: number,
  seed: number,
): Matrix {
  const x = incidence(train, items);
  const weighted = scaleCsr(
    x,
    powers(rowCounts(x), USER_POWER),
    powers(rowCounts(transposeCsr(x)), ITEM_POWER),
  );
  const { values, right } = rightSvd(weighted, Math.min(rank, x.rows, x.cols), seed);
  const scaled = matrix(right.rows, right.cols);
  for (let i = 0; i < scaled.data.length; i += 1) {
    scaled.data[i] = right.data[i]! * values[i % right.cols]!;
  }
  return normaliseRows(scaled);
}

function powers(counts: Float64Array, power: number): Float64Array {
  return counts.map((count) => (count === 0 ? 0 : count ** power));
}
