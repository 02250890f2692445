/**
 * A causal transformer of one block over the interactions of one user, oldest first. With x_t the
 * product's vector at place t and N_1, N_2 layer normalisations:
 *
 *   b_t = norm(g * sum_{s in (t - L, t]} decay^(t - s) x_s), element by element
 *   h_t = b_t + attention(N_1(x))_t W_o
 *   u_t = norm(h_t + max(0, N_2(h_t) W_1 + b_1) W_2 + b_2)
 *
 * As in SASRec (Kang and McAuley, ICDM 2018), but what the block adds to is the recency-pooled
 * interest b_t and not the newest product, so that training starts from a good model.
 */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { addColumnSums, addTo } from "../linear-algebra/rows.js";
import { backwardNormalise, normalised } from "../linear-algebra/normalised.js";
import type { Normalised } from "../linear-algebra/normalised.js";
import type { Parameters } from "../training/parameters.js";
import { backwardAttention, forwardAttention } from "./attention.js";
import type { AttentionForward, AttentionInput, Starts } from "./attention.js";
import { addWeightGradient, applyMask, backwardLayerNorm, dropout, layerNorm } from "./layers.js";
import type { LayerNorm } from "./layers.js";
import { nameOf } from "./parameters.js";
import type { SequenceShape } from "./parameters.js";

export interface Dropout {
  /** Of the elements of N_1(x) and of the hidden layer; 0 for none. */
  readonly chance: number;
  readonly uniform: () => number;
}

interface SequenceForward {
  /** u, one row of length 1 per place. */
  readonly interests: Matrix;
  // The rest is for `backwardSequence`.
  /** The sum in b_t. */
  readonly pooled: Matrix;
  readonly base: Normalised;
  readonly first: LayerNorm & { readonly mask: Float32Array | undefined };
  readonly attention: AttentionForward & { readonly input: AttentionInput };
  readonly second: LayerNorm;
  /** After max(0, .) and dropout. */
  readonly hidden: Matrix & { readonly mask: Float32Array | undefined };
  readonly sum: Normalised;
}

/**
 * u at every place.
 * @param x one row per place, sequence by sequence
 */
export function forwardSequence(
  shape: SequenceShape,
  parameters: Parameters,
  x: Matrix,
  starts: Starts,
  { chance, uniform }: Dropout,
): SequenceForward {
  const pooled = pooledPrefixes(shape, x, starts);
  const base = normalised(scaledColumns(pooled, parameters[nameOf.gain]!));
  const norm1 = layerNorm(x, parameters[nameOf.scale(1)]!, parameters[nameOf.shift(1)]!);
  const first = { ...norm1, mask: dropout(norm1.rows, chance, uniform) };
  const input = {
    query: matmul(first.rows, square(shape, parameters[nameOf.query]!)),
    key: matmul(first.rows, square(shape, parameters[nameOf.key]!)),
    value: matmul(first.rows, square(shape, parameters[nameOf.value]!)),
    recency: matrix(shape.heads, shape.historyMax, parameters[nameOf.recency]),
    starts,
  };
  const attention = { ...forwardAttention(input), input };
  const h = matmul(attention.output, square(shape, parameters[nameOf.out]!));
  addTo(h.data, base.rows.data);
  const second = layerNorm(h, parameters[nameOf.scale(2)]!, parameters[nameOf.shift(2)]!);
  const { into, out } = feedForward(shape, parameters);
  const raised = matmul(second.rows, into);
  addToEachRow(raised, parameters[nameOf.feedInBias]!);
  for (let i = 0; i < raised.data.length; i += 1) {
    if (raised.data[i]! < 0) raised.data[i] = 0;
  }
  const hidden = { ...raised, mask: dropout(raised, chance, uniform) };
  const sum = matmul(hidden, out);
  addToEachRow(sum, parameters[nameOf.feedOutBias]!);
  addTo(sum.data, h.data);
  const last = normalised(sum);
  return { interests: last.rows, pooled, base, first, attention, second, hidden, sum: last };
}

/**
 * Adds the gradients of the parameters to `gradients`.
 * @param gradient of the loss by u
 * @returns the gradient by x
 */
export function backwardSequence(
  shape: SequenceShape,
  parameters: Parameters,
  forward: SequenceForward,
  gradient: Matrix,
  gradients: Parameters,
): Matrix {
  const { pooled, base, first, attention, sum } = forward;
  const bySum = backwardNormalise(gradient, sum);
  const byH = backwardFeed(shape, parameters, forward, bySum, gradients);
  addTo(byH.data, bySum.data);
  addWeightGradient(gradients[nameOf.out]!, attention.output, byH);
  const byOutput = matmul(byH, square(shape, parameters[nameOf.out]!), { transposeB: true });
  const by = backwardAttention(attention.input, attention, byOutput);
  addTo(gradients[nameOf.recency]!, by.recency.data);
  const byFirst = matrix(byH.rows, byH.cols);
  for (const name of ["query", "key", "value"] as const) {
    addWeightGradient(gradients[nameOf[name]]!, first.rows, by[name]);
    const weights = square(shape, parameters[nameOf[name]]!);
    addTo(byFirst.data, matmul(by[name], weights, { transposeB: true }).data);
  }
  applyMask(byFirst, first.mask);
  const byX = backwardLayerNorm(
    byFirst,
    first,
    parameters[nameOf.scale(1)]!,
    gradients[nameOf.scale(1)]!,
    gradients[nameOf.shift(1)]!,
  );
  const byBase = backwardNormalise(byH, base);
  addColumnSums(gradients[nameOf.gain]!, hadamard(byBase, pooled));
  const byPooled = scaledColumns(byBase, parameters[nameOf.gain]!);
  addPooledGradient(shape, byX, byPooled, attention.input.starts);
  return byX;
}

/** Through W_2, max(0, .), W_1 and N_2; returns the gradient by h without the residual path. */
function backwardFeed(
  shape: SequenceShape,
  parameters: Parameters,
  { second, hidden }: SequenceForward,
  bySum: Matrix,
  gradients: Parameters,
): Matrix {
  const { into, out } = feedForward(shape, parameters);
  addColumnSums(gradients[nameOf.feedOutBias]!, bySum);
  addWeightGradient(gradients[nameOf.feedOut]!, hidden, bySum);
  const byHidden = matmul(bySum, out, { transposeB: true });
  applyMask(byHidden, hidden.mask);
  for (let i = 0; i < byHidden.data.length; i += 1) {
    if (hidden.data[i] === 0) byHidden.data[i] = 0;
  }
  addColumnSums(gradients[nameOf.feedInBias]!, byHidden);
  addWeightGradient(gradients[nameOf.feedIn]!, second.rows, byHidden);
  return backwardLayerNorm(
    matmul(byHidden, into, { transposeB: true }),
    second,
    parameters[nameOf.scale(2)]!,
    gradients[nameOf.scale(2)]!,
    gradients[nameOf.shift(2)]!,
  );
}

/** sum_{s in (t - L, t]} decay^(t - s) x_s at every place. */
function pooledPrefixes({ decay, historyMax }: SequenceShape, x: Matrix, starts: Starts): Matrix {
  const result = matrix(x.rows, x.cols);
  forEachPair(starts, historyMax, (t, s) => {
    const weight = decay ** (t - s);
    const [to, from] = [t * x.cols, s * x.cols];
    for (let j = 0; j < x.cols; j += 1) result.data[to + j]! += weight * x.data[from + j]!;
  });
  return result;
}

function addPooledGradient(
  { decay, historyMax }: SequenceShape,
  byX: Matrix,
  byPooled: Matrix,
  starts: Starts,
): void {
  forEachPair(starts, historyMax, (t, s) => {
    const weight = decay ** (t - s);
    const [to, from] = [s * byX.cols, t * byX.cols];
    for (let j = 0; j < byX.cols; j += 1) byX.data[to + j]! += weight * byPooled.data[from + j]!;
  });
}

function forEachPair(
  starts: Starts,
  historyMax: number,
  visit: (t: number, s: number) => void,
): void {
  for (let i = 0; i + 1 < starts.length; i += 1) {
    for (let t = starts[i]!; t < starts[i + 1]!; t += 1) {
      for (let s = Math.max(starts[i]!, t - historyMax + 1); s <= t; s += 1) visit(t, s);
    }
  }
}

function scaledColumns(m: Matrix, gain: Float32Array): Matrix {
  return matrix(
    m.rows,
    m.cols,
    m.data.map((x, i) => x * gain[i % m.cols]!),
  );
}

function hadamard(a: Matrix, b: Matrix): Matrix {
  return matrix(
    a.rows,
    a.cols,
    a.data.map((x, i) => x * b.data[i]!),
  );
}

function square({ dims }: SequenceShape, values: Float32Array): Matrix {
  return matrix(dims, dims, values);
}

function feedForward({ dims, hidden }: SequenceShape, parameters: Parameters) {
  return {
    into: matrix(dims, hidden, parameters[nameOf.feedIn]),
    out: matrix(hidden, dims, parameters[nameOf.feedOut]),
  };
}

function addToEachRow(m: Matrix, vector: Float32Array): void {
  for (let i = 0; i < m.rows; i += 1) {
    const start = i * m.cols;
    for (let j = 0; j < m.cols; j += 1) m.data[start + j]! += vector[j]!;
  }
}
