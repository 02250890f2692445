/** Principal components and whitening of feature rows. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { gram } from "./svd.js";
import { symmetricEigen } from "./symmetric-eigen.js";

/** x -> W (x - c). */
export interface Whitening {
  /** c, the mean of the rows; shape [d]. */
  readonly centre: Float32Array;
  /** W, shape [k, d]: principal direction i divided by the spread along it. */
  readonly weight: Matrix;
}

/** Directions with less than this share of the largest variance are noise. */
const VARIANCE_MIN = 1e-8;

/**
 * Whitening to the `dims` widest directions: over the rows, W (x - c) has mean 0 and the
 * identity as covariance.
 * @returns fewer dimensions where the rows span fewer
 * @throws RangeError where no row differs
 */
export function whitening(rows: Matrix, dims: number): Whitening {
  const centre = columnMeans(rows);
  const centred = matrix(rows.rows, rows.cols, rows.data.slice());
  for (let i = 0; i < centred.data.length; i += 1) centred.data[i]! -= centre[i % rows.cols]!;
  const { values, vectors } = symmetricEigen(gram(centred));
  const spanned = values.filter((v) => v > VARIANCE_MIN * values[0]!).length;
  if (!(values[0]! > 0)) throw new RangeError("whitening: no row differs from another");
  const weight = matrix(Math.min(dims, spanned), rows.cols);
  for (let k = 0; k < weight.rows; k += 1) {
    const spread = Math.sqrt(values[k]! / rows.rows);
    weight.data.set(
      vectors[k]!.map((x) => x / spread),
      k * rows.cols,
    );
  }
  return { centre: new Float32Array(centre), weight };
}

/**
 * Principal directions of rows that are not centred.
 * @param rows V, shape [n, d]
 * @returns the `dims` eigenvectors of V'V with the largest eigenvalues as rows, shape [dims, d]
 */
export function principalDirections(rows: Matrix, dims: number): Matrix {
  const { vectors } = symmetricEigen(gram(rows));
  const result = matrix(Math.min(dims, rows.cols), rows.cols);
  for (let k = 0; k < result.rows; k += 1) result.data.set(vectors[k]!, k * rows.cols);
  return result;
}

function columnMeans({ rows, cols, data }: Matrix): Float64Array {
  const sums = new Float64Array(cols);
  for (let i = 0; i < data.length; i += 1) sums[i % cols]! += data[i]!;
  return sums.map((sum) => sum / rows);
}
