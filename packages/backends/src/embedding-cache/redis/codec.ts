/** Vectors as little-endian float32. */

export function encodeVector(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(vector.byteLength);
  for (let at = 0; at < vector.length; at += 1) bytes.writeFloatLE(vector[at]!, 4 * at);
  return bytes;
}

/** Undefined for a value that is no vector. */
export function decodeVector(value: Buffer | null | undefined): Float32Array | undefined {
  if (value === null || value === undefined) return undefined;
  if (value.length === 0 || value.length % 4 !== 0) return undefined;
  const vector = new Float32Array(value.length / 4);
  for (let at = 0; at < vector.length; at += 1) vector[at] = value.readFloatLE(4 * at);
  return vector;
}
