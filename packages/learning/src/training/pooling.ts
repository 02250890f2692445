/**
 * Histories to interests before they are normalised: p = sum_t a_t v_t with
 *
 *   a = softmax_t(e_t),  e_t = (W_q v_t)'(W_k v_t) / sqrt(d_k) + b_action(t) + rho (number of newer interactions),
 *
 * the attention interest of packages/model (interests/) with ranks instead of ages. The first term
 * is the same in every history and so is computed once for each product.
 */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { softmax } from "@marquetry/model/vectors/softmax";
import { matmul } from "../linear-algebra/gemm.js";
import { addTo, rowOf } from "../linear-algebra/rows.js";
import type { Batch } from "./examples.js";

/** What decides how much an interaction counts; also its gradient. */
export interface InterestWeights {
  /** rho. */
  readonly recency: number;
  /** W_q and W_k, shape [d_k, d]. Default: no content term. */
  readonly content?: { readonly query: Matrix; readonly key: Matrix };
  /** b by action. Default: zeros. */
  readonly biases?: Float32Array;
}

type Histories = Pick<Batch, "histories" | "actions">;

export interface Pooled {
  /** p, shape [histories, d]. */
  readonly rows: Matrix;
  /** a by history, for `backwardPooling`. */
  readonly weights: readonly (readonly number[])[];
}

/**
 * @param vectors v, shape [items, d]
 * @returns zeros for an empty history
 */
export function poolHistories(
  vectors: Matrix,
  { histories, actions }: Histories,
  { recency, content, biases }: InterestWeights,
): Pooled {
  const scores = content && contentScores(vectors, content);
  const rows = matrix(histories.length, vectors.cols);
  const sum = new Float64Array(vectors.cols);
  const weights = histories.map((history, i) => {
    const own =
      history.length === 0
        ? []
        : softmax(
            Array.from(
              history,
              (item, t) =>
                recency * (history.length - 1 - t) +
                (scores?.[item] ?? 0) +
                (biases?.[actions?.[i]![t] ?? 0] ?? 0),
            ),
          );
    sum.fill(0);
    for (const [t, item] of history.entries()) {
      const weight = own[t]!;
      const start = item * vectors.cols;
      for (let j = 0; j < sum.length; j += 1) sum[j]! += weight * vectors.data[start + j]!;
    }
    rowOf(rows, i).set(sum);
    return own;
  });
  return { rows, weights };
}

/**
 * (W_q v)'(W_k v) / sqrt(d_k) of each product.
 * @param vectors shape [items, d]
 */
export function contentScores(
  vectors: Matrix,
  { query, key }: NonNullable<InterestWeights["content"]>,
): Float64Array {
  const queries = matmul(vectors, query, { transposeB: true });
  const keys = matmul(vectors, key, { transposeB: true });
  const scale = 1 / Math.sqrt(key.rows);
  return Float64Array.from({ length: vectors.rows }, (_, item) => {
    const k = rowOf(keys, item);
    return scale * rowOf(queries, item).reduce((sum, q, j) => sum + q * k[j]!, 0);
  });
}

/**
 * Adds the gradient by the vectors to `vectorGradient`.
 * @param byPooled of the loss by p, shape [histories, d]
 * @returns the gradient by each of the weights that there are
 */
export function backwardPooling(
  vectors: Matrix,
  { histories, actions }: Histories,
  { content, biases }: InterestWeights,
  { weights }: Pooled,
  byPooled: Matrix,
  vectorGradient: Matrix,
): InterestWeights {
  let recency = 0;
  const byScores = content && new Float64Array(vectors.rows);
  const byBiases = biases && new Float32Array(biases.length);
  for (const [i, history] of histories.entries()) {
    const upstream = rowOf(byPooled, i);
    const own = weights[i]!;
    const shares = new Float64Array(history.length);
    let mean = 0;
    for (const [t, item] of history.entries()) {
      const weight = own[t]!;
      const start = item * vectors.cols;
      let share = 0;
      for (let j = 0; j < upstream.length; j += 1) {
        share += upstream[j]! * vectors.data[start + j]!;
        vectorGradient.data[start + j]! += weight * upstream[j]!;
      }
      shares[t] = share;
      mean += weight * share;
    }
    for (const [t, item] of history.entries()) {
      const byScore = own[t]! * (shares[t]! - mean);
      recency += byScore * (history.length - 1 - t);
      if (byScores !== undefined) byScores[item]! += byScore;
      if (byBiases !== undefined) byBiases[actions?.[i]![t] ?? 0]! += byScore;
    }
  }
  return {
    recency,
    ...(content &&
      byScores && { content: backwardContent(vectors, content, byScores, vectorGradient) }),
    ...(byBiases && { biases: byBiases }),
  };
}

function backwardContent(
  vectors: Matrix,
  { query, key }: NonNullable<InterestWeights["content"]>,
  byScores: Float64Array,
  vectorGradient: Matrix,
): { readonly query: Matrix; readonly key: Matrix } {
  const scale = 1 / Math.sqrt(key.rows);
  const byQueries = matmul(vectors, key, { transposeB: true });
  const byKeys = matmul(vectors, query, { transposeB: true });
  for (const [item, byScore] of byScores.entries()) {
    for (const rows of [byQueries, byKeys]) {
      const row = rowOf(rows, item);
      for (let j = 0; j < row.length; j += 1) row[j]! *= scale * byScore;
    }
  }
  addTo(vectorGradient.data, matmul(byQueries, query).data);
  addTo(vectorGradient.data, matmul(byKeys, key).data);
  return {
    query: matmul(byQueries, vectors, { transposeA: true }),
    key: matmul(byKeys, vectors, { transposeA: true }),
  };
}
