/** Layers with their gradients. All matrices have one row per place. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { addTo } from "../linear-algebra/rows.js";

/** Added to a variance before its root, as in ONNX's LayerNormalization by default. */
export const NORM_EPSILON = 1e-5;

export interface LayerNorm {
  /** scale * n + shift, n = (x - mean) / sqrt(variance + epsilon), by row. */
  readonly rows: Matrix;
  /** n. */
  readonly centred: Matrix;
  /** 1 / sqrt(variance + epsilon). */
  readonly inverses: Float64Array;
}

/** Layer normalisation (Ba, Kiros and Hinton, 2016). */
export function layerNorm(x: Matrix, scale: Float32Array, shift: Float32Array): LayerNorm {
  const { rows, cols } = x;
  const result = { rows: matrix(rows, cols), centred: matrix(rows, cols) };
  const inverses = new Float64Array(rows);
  for (let i = 0; i < rows; i += 1) {
    const start = i * cols;
    let sum = 0;
    for (let j = 0; j < cols; j += 1) sum += x.data[start + j]!;
    const mean = sum / cols;
    let squares = 0;
    for (let j = 0; j < cols; j += 1) squares += (x.data[start + j]! - mean) ** 2;
    const inverse = 1 / Math.sqrt(squares / cols + NORM_EPSILON);
    inverses[i] = inverse;
    for (let j = 0; j < cols; j += 1) {
      const centred = (x.data[start + j]! - mean) * inverse;
      result.centred.data[start + j] = centred;
      result.rows.data[start + j] = centred * scale[j]! + shift[j]!;
    }
  }
  return { ...result, inverses };
}

/** Adds the gradients of scale and shift; returns that of x. */
export function backwardLayerNorm(
  gradient: Matrix,
  { centred, inverses }: LayerNorm,
  scale: Float32Array,
  byScale: Float32Array,
  byShift: Float32Array,
): Matrix {
  const { rows, cols } = gradient;
  const result = matrix(rows, cols);
  for (let i = 0; i < rows; i += 1) {
    const start = i * cols;
    let mean = 0;
    let along = 0;
    for (let j = 0; j < cols; j += 1) {
      const g = gradient.data[start + j]!;
      const n = centred.data[start + j]!;
      byScale[j]! += g * n;
      byShift[j]! += g;
      mean += g * scale[j]!;
      along += g * scale[j]! * n;
    }
    mean /= cols;
    along /= cols;
    for (let j = 0; j < cols; j += 1) {
      const g = gradient.data[start + j]! * scale[j]!;
      result.data[start + j] = inverses[i]! * (g - mean - centred.data[start + j]! * along);
    }
  }
  return result;
}

/** Adds A'G, the gradient of W in A W, to `to`. */
export function addWeightGradient(to: Float32Array, a: Matrix, gradient: Matrix): void {
  addTo(to, matmul(a, gradient, { transposeA: true }).data);
}

/**
 * Inverted dropout, in place: each element becomes 0 with probability `chance`, else it is divided by
 * 1 - chance.
 * @returns the mask, for `applyMask` on the gradient; undefined where the chance is 0
 */
export function dropout(
  m: Matrix,
  chance: number,
  uniform: () => number,
): Float32Array | undefined {
  if (chance === 0) return undefined;
  const scale = 1 / (1 - chance);
  const mask = Float32Array.from(m.data, () => (uniform() < chance ? 0 : scale));
  applyMask(m, mask);
  return mask;
}

/** Multiplies by the mask, in place. */
export function applyMask(m: Matrix, mask: Float32Array | undefined): void {
  if (mask === undefined) return;
  for (let i = 0; i < mask.length; i += 1) m.data[i]! *= mask[i]!;
}
