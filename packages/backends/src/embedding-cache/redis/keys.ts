/*
 * Keys, spread over 16 shards whose braces are what Redis Cluster hashes:
 *   marquetry:embedding:{<shard>}:<key>   the vector as little-endian float32, with a time to live
 *   marquetry:embedding:{<shard>}         sorted set of `<bytes>:<key>` by the time of last use
 *   marquetry:embedding:{<shard>}:bytes   the sum of those bytes
 */

export const SHARDS = 16;

export function shardOf(key: string): string {
  let hash = 0;
  for (let at = 0; at < key.length; at += 1) hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0;
  return `marquetry:embedding:{${(hash >>> 0) % SHARDS}}`;
}

export function valueKey(key: string): string {
  return `${shardOf(key)}:${key}`;
}
