import { LRUCache } from "lru-cache";
import { ENTRY_BYTES_EXTRA, MEGABYTE } from "./embedding-cache.js";
import type { EmbeddingCache, EmbeddingCacheOptions } from "./embedding-cache.js";

/** The cache of one process. */
export function createMemoryEmbeddingCache(
  options: Required<Omit<EmbeddingCacheOptions, "onFailure">>,
): EmbeddingCache {
  const cache = new LRUCache<string, Float32Array>({
    maxSize: options.megabytes * MEGABYTE,
    sizeCalculation: (vector) => vector.byteLength + ENTRY_BYTES_EXTRA,
    ttl: options.ttlSeconds * 1_000,
  });
  return {
    async get(keys) {
      return keys.map((key) => cache.get(key)?.slice());
    },
    async set(vectors) {
      for (const [key, vector] of vectors) {
        // A copy: the vector may be a view of a whole batch, and its owner may change it.
        if (vector.length > 0) cache.set(key, vector.slice());
      }
    },
    async ping() {},
    async close() {
      cache.clear();
    },
  };
}
