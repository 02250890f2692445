import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { gatherRows, normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { whitening } from "../linear-algebra/whitening.js";
import type { Whitening } from "../linear-algebra/whitening.js";

/** A modality's vectors made ready for fusion. */
export interface Content {
  readonly whitening: Whitening;
  /** Rows of length 1: norm(W (x / |x| - c)). A zero row is a product without this modality: it
   * stays zero and does not count in W and c. */
  readonly rows: Matrix;
}

/**
 * Whitening to `dims` directions. An encoder's vectors lie in a narrow cone: products differ in
 * directions of small variance.
 * @param vectors one row per product; a zero row is a product without the modality
 * @throws RangeError where no row differs from another
 */
export function prepareContent(vectors: Matrix, dims: number): Content {
  const unit = normaliseRows(vectors);
  const present = presentRows(unit);
  const fitted = whitening(present.length === unit.rows ? unit : gatherRows(unit, present), dims);
  return { whitening: fitted, rows: whitenRows(unit, fitted) };
}

/** @param unit rows of length 1, or zero: those stay zero */
function whitenRows(unit: Matrix, { centre, weight }: Whitening): Matrix {
  const centred = matrix(unit.rows, unit.cols, unit.data.slice());
  for (const i of presentRows(unit)) {
    const row = rowOf(centred, i);
    for (let j = 0; j < row.length; j += 1) row[j]! -= centre[j]!;
  }
  return normaliseRows(matmul(centred, weight, { transposeB: true }));
}

/** norm(W (0 - c)), shape [k]: a vector of zeros, if it did not stand for an absent modality. */
export function whiteningOfZero({ centre, weight }: Whitening): Float32Array {
  const opposite = matrix(
    1,
    centre.length,
    centre.map((x) => -x),
  );
  return normaliseRows(matmul(opposite, weight, { transposeB: true })).data;
}

function presentRows(m: Matrix): number[] {
  return Array.from({ length: m.rows }, (_, i) => i).filter((i) =>
    rowOf(m, i).some((x) => x !== 0),
  );
}
