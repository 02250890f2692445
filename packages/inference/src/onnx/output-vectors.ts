/** From a graph's output to vectors. Plain arithmetic, no library. */
import type { GraphOutput } from "./onnx-graph.js";

/**
 * Cuts `[N, dims]` into N vectors.
 * @throws Error if the output has other dimensions.
 */
export function rowVectors(output: GraphOutput, rows: number, dims: number): Float32Array[] {
  expectShape(output, [rows, dims]);
  return Array.from({ length: rows }, (_, i) => output.data.slice(i * dims, (i + 1) * dims));
}

/**
 * Reduces `[N, T, dims]` to N vectors: the first token (`cls`), or the mean of the first
 * `lengths[i]` tokens, which are the unmasked ones since padding is on the right.
 * @throws Error if the output has other dimensions.
 */
export function tokenVectors(
  output: GraphOutput,
  lengths: readonly number[],
  tokens: number,
  dims: number,
  pooling: "mean" | "cls",
): Float32Array[] {
  expectShape(output, [lengths.length, tokens, dims]);
  const { data } = output;
  return lengths.map((length, row) => {
    const start = row * tokens * dims;
    if (pooling === "cls") return data.slice(start, start + dims);
    const sum = new Float64Array(dims);
    for (let t = 0; t < length; t += 1) {
      for (let d = 0; d < dims; d += 1) sum[d]! += data[start + t * dims + d]!;
    }
    return Float32Array.from(sum, (value) => value / length);
  });
}

/**
 * Reduces what an image or video graph gives: `[N, dims]`, or `[N, T, dims]` with a token per patch,
 * all of which count.
 * @throws Error if the output has other dimensions.
 */
export function pooledVectors(
  output: GraphOutput,
  rows: number,
  dims: number,
  pooling: "mean" | "cls" | "none",
): Float32Array[] {
  if (pooling === "none") return rowVectors(output, rows, dims);
  const tokens = output.dims[1] ?? 0;
  const lengths = Array.from({ length: rows }, () => tokens);
  return tokenVectors(output, lengths, tokens, dims, pooling);
}

/** Scales to length 1 in place. False if there is no direction to keep: a zero vector, or one
 * with a value that is not finite. */
export function scaleToUnitLength(vector: Float32Array): boolean {
  const length = norm(vector);
  if (!(length > 0 && length < Infinity)) return false;
  for (let d = 0; d < vector.length; d += 1) vector[d]! /= length;
  return true;
}

/** Largest difference of any component, relative to the length of `a`. */
export function relativeDeviation(a: Float32Array, b: Float32Array): number {
  let largest = 0;
  for (let d = 0; d < a.length; d += 1) largest = Math.max(largest, Math.abs(a[d]! - b[d]!));
  return largest / (norm(a) || 1);
}

/** Unlike that of packages/model, whatever the values: one that is not finite is a content's failure. */
function norm(vector: Float32Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}

function expectShape(output: GraphOutput, expected: readonly number[]): void {
  if (output.dims.join() === expected.join()) return;
  throw new Error(`the output is [${output.dims.join(", ")}]; expected [${expected.join(", ")}]`);
}
