import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { gatherRows, normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { whitening } from "../linear-algebra/whitening.js";
import type { Whitening } from "../linear-algebra/whitening.js";

/** A modality's vectors made ready for fusion. */
export interface Content {
  readonly whitening: Whitening;
  /** Rows of length 1: norm(W (x / |x| - c)). A zero row, a product without this modality, stays zero
   * and has no part in W and c. */
  readonly rows: Matrix;
}

/**
 * Whitening to `dims` directions: an encoder's vectors crowd into a narrow cone, and what tells
 * products apart lies in directions of small variance.
 */
export function prepareContent(vectors: Matrix, dims: number): Content {
  const unit = normaliseRows(vectors);
  const present = presentRows(unit);
  const fitted = whitening(present.length === unit.rows ? unit : gatherRows(unit, present), dims);
  return { whitening: fitted, rows: whitenRows(unit, fitted) };
}

/** @param unit rows of length 1, or zero: those stay zero */
export function whitenRows(unit: Matrix, { centre, weight }: Whitening): Matrix {
  const centred = matrix(unit.rows, unit.cols, unit.data.slice());
  for (const i of presentRows(unit)) {
    const row = rowOf(centred, i);
    for (let j = 0; j < row.length; j += 1) row[j]! -= centre[j]!;
  }
  return normaliseRows(matmul(centred, weight, { transposeB: true }));
}

/** norm(W (0 - c)): what a vector of zeros would be if it were not taken for a missing one. */
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
