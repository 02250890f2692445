/**
 * Trained vectors in the forms that services know. Whatever made the vectors V, fusion is a weighted
 * sum of the content modalities and the collaborative one:
 *
 *   v_i = norm(sum_m P_m x_im + y_i),   y_i = V_i - sum_m P_m x_im,
 *
 * with x the L2-normalised vectors of the encoders and P half the ridge regression of V on x. So a
 * product with everything gets V_i exactly; a cold product (no y_i) gets the best linear guess from
 * its content, norm(sum P x); and one that lacks a modality still has y_i, which holds half of what
 * content could tell.
 */
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import type { FusionModel } from "@marquetry/model/fusion";
import { matrix, transpose } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { SimilarityModel } from "@marquetry/model/similarity";
import { matmul } from "../linear-algebra/gemm.js";
import { besideRows, gatherRows, normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { spdInverse } from "../linear-algebra/spd-inverse.js";

/** How services make the trained vectors. */
export interface ServedFusion {
  readonly fusion: FusionModel;
  /** Default: the dot product. */
  readonly similarity?: SimilarityModel;
  readonly collaborative: CollaborativeModality;
}

interface Distilled {
  /** P_m by modality, shape [d, d_m]. */
  readonly projections: Readonly<Record<string, Matrix>>;
  readonly collaborative: CollaborativeModality;
}

export interface CollaborativeModality {
  /** Numbers of the products that have one. */
  readonly items: Int32Array;
  /**
   * One row of length 1 per product of `items`, shape [.., d + 1]. Fusion normalises its
   * input, which would lose the length of y_i; so a last element fills every row up to the same
   * length c = max |y_i|, and the projection c [I 0] drops it again.
   */
  readonly vectors: Matrix;
  /** c [I 0], shape [d, d + 1]. */
  readonly projection: Matrix;
}

/** Share of the content's guess that comes from content where there is a collaborative vector. */
const CONTENT_SHARE = 0.5;
const RIDGE = 1;

/**
 * @param vectors V, rows of length 1, one per product
 * @param features by modality as their encoders gave them
 * @param known by product, whether it has a collaborative vector
 */
export function distil(
  vectors: Matrix,
  features: Readonly<Record<string, Matrix>>,
  known: (item: number) => boolean,
): Distilled {
  const items = Int32Array.from(Array.from({ length: vectors.rows }, (_, i) => i).filter(known));
  const names = Object.keys(features);
  const units = names.map((name) => normaliseRows(features[name]!));
  const x = besideRows(...units);
  const weights = ridge(gatherRows(x, items), gatherRows(vectors, items));
  for (let i = 0; i < weights.data.length; i += 1) weights.data[i]! *= CONTENT_SHARE;
  const guess = matmul(x, weights);
  const rest = matrix(items.length, vectors.cols);
  for (const [i, item] of items.entries()) {
    const [to, from, less] = [rowOf(rest, i), rowOf(vectors, item), rowOf(guess, item)];
    for (let j = 0; j < to.length; j += 1) to[j] = from[j]! - less[j]!;
  }
  const projections: Record<string, Matrix> = {};
  let start = 0;
  for (const [m, name] of names.entries()) {
    const { cols } = units[m]!;
    const own = gatherRows(
      weights,
      Array.from({ length: cols }, (_, j) => start + j),
    );
    projections[name] = transpose(own);
    start += cols;
  }
  return { projections, collaborative: { items, ...withLengthKept(rest) } };
}

/** (X'X + lambda I)^-1 X'V, shape [columns of X, columns of V]. */
function ridge(x: Matrix, v: Matrix): Matrix {
  const squares = matmul(x, x, { transposeA: true });
  for (let i = 0; i < squares.rows; i += 1) squares.data[i * (squares.cols + 1)]! += RIDGE;
  return matmul(spdInverse(squares), matmul(x, v, { transposeA: true }));
}

/** The distilled vectors as a bundle has them. */
export function distilledFusion({ projections, collaborative }: Distilled): ServedFusion {
  const modalities = { ...projections, [COLLABORATIVE]: collaborative.projection };
  return {
    fusion: {
      strategy: "weighted-sum",
      modalities: Object.entries(modalities).map(([name, projection]) => ({
        name,
        dims: projection.cols,
        weight: 1,
        projection,
      })),
      normaliseOutput: true,
    },
    collaborative,
  };
}

export function withLengthKept(
  rest: Matrix,
): Pick<CollaborativeModality, "vectors" | "projection"> {
  const dims = rest.cols;
  const squares = Float64Array.from({ length: rest.rows }, (_, i) =>
    rowOf(rest, i).reduce((sum, x) => sum + x * x, 0),
  );
  const most = squares.reduce((a, b) => Math.max(a, b), 0);
  const length = Math.sqrt(most);
  const vectors = matrix(rest.rows, dims + 1);
  for (let i = 0; i < rest.rows; i += 1) {
    const [to, from] = [rowOf(vectors, i), rowOf(rest, i)];
    for (let j = 0; j < dims; j += 1) to[j] = from[j]! / length;
    to[dims] = Math.sqrt(Math.max(0, most - squares[i]!)) / length;
  }
  const projection = matrix(dims, dims + 1);
  for (let j = 0; j < dims; j += 1) projection.data[j * (dims + 1) + j] = length;
  return { vectors, projection };
}
