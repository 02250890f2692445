/**
 * Room in the products' vectors for telling a product from those that are like it. A vector that
 * only says what a product is like cannot be kept away from an interest which was pooled from it:
 * nothing is more like a product than itself. So the last dimensions hold a code of the product's
 * own, and interests count them with the opposite sign: u'v of a product that the user had falls,
 * that of its neighbours stays, as the codes of two products are nearly at right angles.
 */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, nearNormal } from "@marquetry/model/vectors/random";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";

export interface IdentityCode {
  /** Dimensions of the code. */
  readonly dims: number;
  /** Length of the code in a vector of length 1, in [0, 1). */
  readonly length: number;
  /** By how much interests turn the code around at the start of training, at least 0. */
  readonly suppression: number;
}

const SEED = 7;

/**
 * @param vectors rows whose dimensions count less and less; the last ones make room
 * @returns rows of length 1: what is left of each vector, and its code
 */
export function withIdentity(
  vectors: Matrix,
  { dims, length }: Pick<IdentityCode, "dims" | "length">,
): Matrix {
  const kept = vectors.cols - dims;
  const likeness = matrix(vectors.rows, kept);
  const codes = matrix(vectors.rows, dims);
  const uniform = mulberry32(SEED);
  for (let i = 0; i < codes.data.length; i += 1) codes.data[i] = nearNormal(uniform);
  for (let i = 0; i < vectors.rows; i += 1) {
    rowOf(likeness, i).set(rowOf(vectors, i).subarray(0, kept));
  }
  const parts = [normaliseRows(likeness), normaliseRows(codes)] as const;
  const shares = [Math.sqrt(1 - length * length), length] as const;
  const result = matrix(vectors.rows, vectors.cols);
  for (let i = 0; i < vectors.rows; i += 1) {
    const row = rowOf(result, i);
    row.set(rowOf(parts[0], i).map((x) => x * shares[0]));
    row.set(
      rowOf(parts[1], i).map((x) => x * shares[1]),
      kept,
    );
  }
  return normaliseRows(result);
}

/** What the dimensions are multiplied by in an interest: 1, and -push for those of the code. */
export function identityGain(dims: number, identity: IdentityCode | undefined): Float32Array {
  const gain = new Float32Array(dims).fill(1);
  if (identity !== undefined) gain.fill(-identity.suppression, dims - identity.dims);
  return gain;
}
