/** Vectors: Float32Array in storage, sums in double precision. */

/**
 * Inner product a'b = sum_i a_i b_i.
 * @param a shape [d]
 * @param b shape [d]
 * @throws RangeError where the lengths differ or an element is not finite
 */
export function dot(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) {
    throw new RangeError(`dot: dimensions differ, ${a.length} and ${b.length}`);
  }
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i]! * b[i]!;
  // A NaN or an infinity anywhere makes the sum non-finite, so one test stands for all elements.
  if (!Number.isFinite(sum)) throw new RangeError("dot: an element is not a finite number");
  return sum;
}

/**
 * Euclidean length |a| = sqrt(a'a).
 * @param a shape [d]
 * @throws RangeError where an element is not finite
 */
export function norm(a: Float32Array): number {
  return Math.sqrt(dot(a, a));
}

/**
 * a / |a|, a new vector of length 1. The zero vector has no direction and stays zero.
 * @param a shape [d]
 * @throws RangeError where an element is not finite
 */
export function normalise(a: Float32Array): Float32Array {
  const length = norm(a);
  return length === 0 ? new Float32Array(a.length) : scale(a, 1 / length);
}

/**
 * factor * a, a new vector.
 * @param a shape [d]
 */
export function scale(a: Float32Array, factor: number): Float32Array {
  const scaled = new Float32Array(a.length);
  for (let i = 0; i < a.length; i += 1) scaled[i] = a[i]! * factor;
  return scaled;
}

/**
 * Cosine a'b / (|a||b|), in [-1, 1] up to rounding; 0 where either vector is zero.
 * @param a shape [d]
 * @param b shape [d]
 * @throws RangeError where the lengths differ or an element is not finite
 */
export function cosine(a: Float32Array, b: Float32Array): number {
  const product = dot(a, b);
  const lengths = norm(a) * norm(b);
  return lengths === 0 ? 0 : product / lengths;
}

/**
 * Refuses NaN and infinities.
 * @param vector shape [d]
 * @param name what the message calls the vector
 * @throws RangeError that names the vector and the first offending element
 */
export function assertFinite(vector: Float32Array, name: string): void {
  for (let i = 0; i < vector.length; i += 1) {
    if (!Number.isFinite(vector[i]!)) {
      throw new RangeError(`${name}: element ${i} is ${vector[i]}, not a finite number`);
    }
  }
}

/**
 * sum_i w_i v_i, summed in double precision.
 * @param vectors n >= 1 vectors of shape [d]
 * @param weights n numbers
 * @throws RangeError where lengths differ
 */
export function weightedSum(
  vectors: readonly Float32Array[],
  weights: readonly number[],
): Float32Array {
  const dims = vectors[0]?.length ?? 0;
  if (vectors.length !== weights.length) {
    throw new RangeError(`weighted sum: ${vectors.length} vectors, ${weights.length} weights`);
  }
  const sums = new Float64Array(dims);
  for (const [n, vector] of vectors.entries()) {
    if (vector.length !== dims) {
      throw new RangeError(`weighted sum: dimensions differ, ${dims} and ${vector.length}`);
    }
    const weight = weights[n]!;
    for (let i = 0; i < dims; i += 1) sums[i]! += weight * vector[i]!;
  }
  return new Float32Array(sums);
}

/**
 * Refuses a length that is not the expected one.
 * @param name what the message calls the offender
 * @throws RangeError
 */
export function assertDims(name: string, got: number, expected: number): void {
  if (got !== expected)
    throw new RangeError(`${name}: expected ${expected} dimensions, got ${got}`);
}

/**
 * Little-endian float32 bytes, the form in which vectors travel in events and are stored.
 * @param vector shape [d]
 * @returns 4 d bytes
 */
export function vectorToBytes(vector: Float32Array): Uint8Array {
  const bytes = new Uint8Array(vector.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < vector.length; i += 1) view.setFloat32(i * 4, vector[i]!, true);
  return bytes;
}

/**
 * The inverse of `vectorToBytes`; a copy, whatever the alignment of `bytes`.
 * @param bytes 4 d bytes, little-endian float32
 * @returns shape [d]
 * @throws RangeError where the length is no multiple of 4
 */
export function vectorFromBytes(bytes: Uint8Array): Float32Array {
  if (bytes.length % 4 !== 0) {
    throw new RangeError(`vector bytes: ${bytes.length} bytes are no whole number of float32`);
  }
  const vector = new Float32Array(bytes.length / 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < vector.length; i += 1) vector[i] = view.getFloat32(i * 4, true);
  return vector;
}
