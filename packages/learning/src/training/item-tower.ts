/**
 * Products to vectors. With h_m = x_m W_m of a content modality and h_Z = z_i of the free table:
 * e_m = g_m + h_m'w (w by the scorer, scorer.ts), a = softmax_m(e_m) over the present modalities, s = sum_m a_m h_m,
 * v = norm(s), or norm(s + share G s + .. + share^L G^L s) where the shape has a graph of L layers.
 */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { csrTimesDense } from "../linear-algebra/csr.js";
import { matmul } from "../linear-algebra/gemm.js";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { addTo } from "../linear-algebra/rows.js";
import { backwardNormalise, normalised } from "../linear-algebra/normalised.js";
import type { Normalised } from "../linear-algebra/normalised.js";
import { nameOf } from "./parameters.js";
import type { Parameters, TowerShape } from "./parameters.js";
import { backwardScorer, scorerDirection } from "./scorer.js";

/** By modality, 1 where the product has it in this step. */
export type Presence = Readonly<Record<string, Uint8Array>>;

interface Part {
  readonly name: string;
  /** h_m, shape [items, d]. */
  readonly projected: Matrix;
  readonly present: Uint8Array;
  /** a_m by product. */
  readonly weights: Float64Array;
}

export interface ItemForward {
  /** v, shape [items, d]. */
  readonly vectors: Matrix;
  /** For `backwardItems`. */
  readonly parts: readonly Part[];
  readonly fused: Normalised;
}

/** Modalities that each product has at all: a row that is not zero, a table where it is known. */
export function fullPresence({ items, content, known }: TowerShape): Presence {
  const presence: Record<string, Uint8Array> = {};
  for (const [name, { cols, data }] of Object.entries(content)) {
    presence[name] = Uint8Array.from({ length: items }, (_, i) =>
      data.subarray(i * cols, (i + 1) * cols).some((x) => x !== 0) ? 1 : 0,
    );
  }
  presence[COLLABORATIVE] = known.slice();
  return presence;
}

/** v of every product, by the modalities that are present. */
export function forwardItems(
  shape: TowerShape,
  parameters: Parameters,
  presence: Presence,
): ItemForward {
  const { items, dims, content } = shape;
  const parts: Part[] = Object.entries(content).map(([name, rows]) => ({
    name,
    projected: matmul(rows, matrix(rows.cols, dims, parameters[nameOf.projection(name)])),
    present: presence[name]!,
    weights: new Float64Array(items),
  }));
  parts.push({
    name: COLLABORATIVE,
    projected: matrix(items, dims, parameters[nameOf.table]),
    present: presence[COLLABORATIVE]!,
    weights: new Float64Array(items),
  });
  weigh(parts, shape, parameters);
  const sum = matrix(items, dims);
  for (const { projected, weights } of parts) addScaledRows(sum, projected, weights);
  const fused = normalised(withNeighbours(shape, sum));
  return { vectors: fused.rows, parts, fused };
}

/** sum over l = 0 .. layers of (share G)^l s, by Horner's rule; s itself where there is no graph. */
function withNeighbours({ graph }: TowerShape, s: Matrix): Matrix {
  if (graph === undefined) return s;
  let result = s;
  for (let layer = 0; layer < graph.layers; layer += 1) {
    result = csrTimesDense(graph.neighbours, result);
    for (let e = 0; e < s.data.length; e += 1) {
      result.data[e] = s.data[e]! + graph.share * result.data[e]!;
    }
  }
  return result;
}

/** a_m = softmax over the present modalities; zeros where none is. */
function weigh(parts: readonly Part[], { scorer }: TowerShape, parameters: Parameters): void {
  const direction = scorerDirection(scorer, parameters);
  const gates = parts.map(({ name }) => parameters[nameOf.gate(name)]![0]!);
  const scores = new Float64Array(parts.length);
  const items = parts[0]!.weights.length;
  for (let i = 0; i < items; i += 1) {
    let largest = -Infinity;
    for (const [m, { projected, present }] of parts.entries()) {
      if (present[i] === 0) continue;
      scores[m] = gates[m]! + dotRow(projected, i, direction);
      largest = Math.max(largest, scores[m]);
    }
    let total = 0;
    for (const [m, { present, weights }] of parts.entries()) {
      weights[i] = present[i] === 0 ? 0 : Math.exp(scores[m]! - largest);
      total += weights[i]!;
    }
    for (const { weights } of parts) if (total > 0) weights[i]! /= total;
  }
}

/**
 * Adds the gradients of the parameters to `gradients`.
 * @param vectorGradient of the loss by v, shape [items, d]
 * @param partGradients of further losses by each h_m, as `parts`
 */
export function backwardItems(
  shape: TowerShape,
  parameters: Parameters,
  { parts, fused }: ItemForward,
  vectorGradient: Matrix,
  gradients: Parameters,
  partGradients?: readonly Matrix[],
): void {
  // The graph is symmetric, and so are its powers: the derivative is the same sum.
  const bySum = withNeighbours(shape, backwardNormalise(vectorGradient, fused));
  const byParts = backwardWeights(shape, parts, parameters, bySum, gradients);
  for (const [m, further] of (partGradients ?? []).entries()) {
    addTo(byParts[m]!.data, further.data);
  }
  for (const [m, { name }] of parts.entries()) {
    const target = name === COLLABORATIVE ? nameOf.table : nameOf.projection(name);
    const gradient =
      name === COLLABORATIVE
        ? byParts[m]!
        : matmul(shape.content[name]!, byParts[m]!, { transposeA: true });
    addTo(gradients[target]!, gradient.data);
  }
}

/** Gates and scorer; returns the gradient by each h_m. */
function backwardWeights(
  { scorer }: TowerShape,
  parts: readonly Part[],
  parameters: Parameters,
  bySum: Matrix,
  gradients: Parameters,
): Matrix[] {
  const direction = scorerDirection(scorer, parameters);
  const byDirection = new Float64Array(direction.length);
  const byGates = new Float64Array(parts.length);
  const byParts = parts.map(() => matrix(bySum.rows, bySum.cols));
  const shares = new Float64Array(parts.length);
  for (let i = 0; i < bySum.rows; i += 1) {
    const start = i * bySum.cols;
    const upstream = bySum.data.subarray(start, start + bySum.cols);
    let mean = 0;
    for (const [m, { projected, weights }] of parts.entries()) {
      shares[m] = weights[i] === 0 ? 0 : dotRow(projected, i, upstream);
      mean += weights[i]! * shares[m];
    }
    for (const [m, { projected, weights }] of parts.entries()) {
      const weight = weights[i]!;
      if (weight === 0) continue;
      const byScore = weight * (shares[m]! - mean);
      byGates[m]! += byScore;
      const to = byParts[m]!.data;
      for (let j = 0; j < direction.length; j += 1) {
        byDirection[j]! += byScore * projected.data[start + j]!;
        to[start + j] = weight * upstream[j]! + byScore * direction[j]!;
      }
    }
  }
  for (const [m, { name }] of parts.entries()) gradients[nameOf.gate(name)]![0]! += byGates[m]!;
  backwardScorer(scorer, parameters, byDirection, gradients);
  return byParts;
}

function addScaledRows(to: Matrix, from: Matrix, factors: Float64Array): void {
  for (let i = 0; i < to.rows; i += 1) {
    const factor = factors[i]!;
    if (factor === 0) continue;
    const start = i * to.cols;
    for (let j = start; j < start + to.cols; j += 1) to.data[j]! += factor * from.data[j]!;
  }
}

function dotRow(m: Matrix, i: number, vector: Float32Array): number {
  const start = i * m.cols;
  let sum = 0;
  for (let j = 0; j < m.cols; j += 1) sum += m.data[start + j]! * vector[j]!;
  return sum;
}
