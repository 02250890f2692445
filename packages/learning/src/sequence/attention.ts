/**
 * Causal attention with several heads over packed sequences (Vaswani et al., NeurIPS 2017) and a
 * learned bias by distance (Shaw et al., NAACL 2018, in the simple form of T5):
 *
 *   a_ts = softmax over s in (t - L, t] of q_t'k_s / sqrt(d / heads) + r[head, t - s],
 *   c_t = sum_s a_ts x_s, each head on its own columns.
 */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";

/** Sequences one after the other: sequence i has the rows from starts[i] up to starts[i + 1]. */
export type Starts = Int32Array;

export interface AttentionInput {
  /** Shape [rows, d]. */
  readonly query: Matrix;
  readonly key: Matrix;
  readonly value: Matrix;
  /** r, shape [heads, L]. */
  readonly recency: Matrix;
  readonly starts: Starts;
}

export interface AttentionForward {
  /** c, shape [rows, d]. */
  readonly output: Matrix;
  /** a, shape [rows, heads * L]: by head and distance. */
  readonly weights: Matrix;
}

/** c and a, for packed sequences. */
export function forwardAttention(input: AttentionInput): AttentionForward {
  const { query, value, recency } = input;
  const output = matrix(query.rows, query.cols);
  const weights = matrix(query.rows, recency.rows * recency.cols);
  const width = query.cols / recency.rows;
  forEachPlace(input, (t, head, seen) => {
    const at = t * weights.cols + head * recency.cols;
    scoresInto(weights.data, at, input, t, head, seen);
    softmaxInto(weights.data, at, seen);
    const to = t * query.cols + head * width;
    for (let back = 0; back < seen; back += 1) {
      const weight = weights.data[at + back]!;
      const from = (t - back) * query.cols + head * width;
      for (let j = 0; j < width; j += 1) output.data[to + j]! += weight * value.data[from + j]!;
    }
  });
  return { output, weights };
}

interface AttentionGradients {
  readonly query: Matrix;
  readonly key: Matrix;
  readonly value: Matrix;
  /** Shape [heads, L]. */
  readonly recency: Matrix;
}

/** The gradients by q, k, x and r. @param gradient of the loss by c, shape [rows, d] */
export function backwardAttention(
  input: AttentionInput,
  { weights }: AttentionForward,
  gradient: Matrix,
): AttentionGradients {
  const { query, key, value, recency } = input;
  const [rows, cols] = [query.rows, query.cols];
  const by = {
    query: matrix(rows, cols),
    key: matrix(rows, cols),
    value: matrix(rows, cols),
    recency: matrix(recency.rows, recency.cols),
  };
  const width = cols / recency.rows;
  const factor = 1 / Math.sqrt(width);
  const shares = new Float64Array(recency.cols);
  forEachPlace(input, (t, head, seen) => {
    const at = t * weights.cols + head * recency.cols;
    const own = t * cols + head * width;
    let mean = 0;
    for (let back = 0; back < seen; back += 1) {
      const weight = weights.data[at + back]!;
      const other = (t - back) * cols + head * width;
      let share = 0;
      for (let j = 0; j < width; j += 1) {
        const g = gradient.data[own + j]!;
        share += g * value.data[other + j]!;
        by.value.data[other + j]! += weight * g;
      }
      shares[back] = share;
      mean += weight * share;
    }
    for (let back = 0; back < seen; back += 1) {
      const byScore = weights.data[at + back]! * (shares[back]! - mean);
      by.recency.data[head * recency.cols + back]! += byScore;
      const other = (t - back) * cols + head * width;
      const scaled = factor * byScore;
      for (let j = 0; j < width; j += 1) {
        by.query.data[own + j]! += scaled * key.data[other + j]!;
        by.key.data[other + j]! += scaled * query.data[own + j]!;
      }
    }
  });
  return by;
}

/** By row and head; `seen` is the number of rows back to where the row may look, itself included. */
function forEachPlace(
  { recency, starts }: AttentionInput,
  visit: (t: number, head: number, seen: number) => void,
): void {
  for (let i = 0; i + 1 < starts.length; i += 1) {
    for (let t = starts[i]!; t < starts[i + 1]!; t += 1) {
      const seen = Math.min(recency.cols, t - starts[i]! + 1);
      for (let head = 0; head < recency.rows; head += 1) visit(t, head, seen);
    }
  }
}

function scoresInto(
  to: Float32Array,
  at: number,
  { query, key, recency }: AttentionInput,
  t: number,
  head: number,
  seen: number,
): void {
  const width = query.cols / recency.rows;
  const factor = 1 / Math.sqrt(width);
  const own = t * query.cols + head * width;
  for (let back = 0; back < seen; back += 1) {
    const other = (t - back) * query.cols + head * width;
    let sum = 0;
    for (let j = 0; j < width; j += 1) sum += query.data[own + j]! * key.data[other + j]!;
    to[at + back] = factor * sum + recency.data[head * recency.cols + back]!;
  }
}

/** In place and rounded to float32, unlike the softmax of packages/model: no allocation per row. */
function softmaxInto(values: Float32Array, at: number, count: number): void {
  let largest = -Infinity;
  for (let i = at; i < at + count; i += 1) largest = Math.max(largest, values[i]!);
  let total = 0;
  for (let i = at; i < at + count; i += 1) {
    values[i] = Math.exp(values[i]! - largest);
    total += values[i]!;
  }
  for (let i = at; i < at + count; i += 1) values[i]! /= total;
}
