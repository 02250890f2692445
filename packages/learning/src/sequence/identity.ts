/**
 * The item-identity code: dimensions of the products' vectors that tell a product from similar ones.
 * Without it, a product that the user just had is always among the nearest: nothing is more similar
 * to it than itself. Interests count the code with the opposite sign (repeat suppression): u'v of a
 * product of the user's history falls, that of its neighbours stays, as the codes of two products are
 * nearly at right angles.
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
  /** Factor of the reversed code in interests at the start of training, at least 0. */
  readonly suppression: number;
}

const SEED = 7;

/**
 * @param vectors rows with the most important dimensions first; the code replaces the last ones
 * @returns rows of length 1: the first dimensions of each vector, and its code
 */
export function withIdentity(
  vectors: Matrix,
  { dims, length }: Pick<IdentityCode, "dims" | "length">,
): Matrix {
  const width = vectors.cols - dims;
  const likeness = matrix(vectors.rows, width);
  const codes = matrix(vectors.rows, dims);
  const uniform = mulberry32(SEED);
  for (let i = 0; i < codes.data.length; i += 1) codes.data[i] = nearNormal(uniform);
  for (let i = 0; i < vectors.rows; i += 1) {
    rowOf(likeness, i).set(rowOf(vectors, i).subarray(0, width));
  }
  const parts = [normaliseRows(likeness), normaliseRows(codes)] as const;
  const shares = [Math.sqrt(1 - length * length), length] as const;
  const result = matrix(vectors.rows, vectors.cols);
  for (let i = 0; i < vectors.rows; i += 1) {
    const row = rowOf(result, i);
    row.set(rowOf(parts[0], i).map((x) => x * shares[0]));
    row.set(
      rowOf(parts[1], i).map((x) => x * shares[1]),
      width,
    );
  }
  return normaliseRows(result);
}

/**
 * Factors of an interest's dimensions: 1, and -suppression for those of the code.
 * @param identity Default: no code.
 * @returns shape [dims]
 */
export function identityGain(dims: number, identity: IdentityCode | undefined): Float32Array {
  const gain = new Float32Array(dims).fill(1);
  if (identity !== undefined) gain.fill(-identity.suppression, dims - identity.dims);
  return gain;
}
