/**
 * Murmur2, 32 bits, with the seed and the tail handling of Kafka's Java client
 * (`org.apache.kafka.common.utils.Utils.murmur2`), so that every client of a topic sends a key to
 * the same partition.
 *
 * @returns a signed 32-bit integer
 */
export function murmur2(bytes: Uint8Array): number {
  const multiplier = 0x5bd1e995;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wordsEnd = bytes.length - (bytes.length % 4);
  let hash = 0x9747b28c ^ bytes.length;

  for (let at = 0; at < wordsEnd; at += 4) {
    let word = Math.imul(view.getInt32(at, true), multiplier);
    word = Math.imul(word ^ (word >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }

  let tail = 0;
  for (let at = bytes.length - 1; at >= wordsEnd; at -= 1) tail = (tail << 8) | view.getUint8(at);
  if (wordsEnd < bytes.length) hash = Math.imul(hash ^ tail, multiplier);

  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}

/** The partition of a key: the hash without its sign bit, modulo the number of partitions. */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(new TextEncoder().encode(key)) & 0x7fffffff) % partitions;
}
