import { matrix } from "@marquetry/model/matrix";
import type { Matrix } from "@marquetry/model/matrix";
import { product } from "../linear-algebra/gemm.js";
import { normaliseRows } from "../linear-algebra/rows.js";
import { whitening } from "../linear-algebra/whitening.js";
import type { Whitening } from "../linear-algebra/whitening.js";

/** A modality's vectors made ready for fusion. */
export interface Content {
  readonly whitening: Whitening;
  /** Rows of length 1 (a zero row stays zero): norm(W (x / |x| - c)). */
  readonly rows: Matrix;
}

/**
 * Whitening to `dims` directions: an encoder's vectors crowd into a narrow cone, and what tells
 * products apart lies in directions of small variance.
 */
export function prepareContent(vectors: Matrix, dims: number): Content {
  const unit = normaliseRows(vectors);
  const fitted = whitening(unit, dims);
  return { whitening: fitted, rows: whitenRows(unit, fitted) };
}

/** @param unit rows of length 1 */
export function whitenRows(unit: Matrix, { centre, weight }: Whitening): Matrix {
  const centred = matrix(unit.rows, unit.cols, unit.data.slice());
  for (let i = 0; i < centred.data.length; i += 1) centred.data[i]! -= centre[i % unit.cols]!;
  return normaliseRows(product(centred, weight, { transposeB: true }));
}
