import { LRUCache } from "lru-cache";

/** Vectors by content digest, bounded by their bytes; the least recently used leave first. */
export interface EmbeddingCache {
  get(digest: string): Float32Array | undefined;
  set(digest: string, vector: Float32Array): void;
}

export function createEmbeddingCache(megabytes: number): EmbeddingCache {
  const cache = new LRUCache<string, Float32Array>({
    maxSize: megabytes * 1_048_576,
    sizeCalculation: (vector, digest) => vector.byteLength + digest.length,
  });
  return {
    get: (digest) => cache.get(digest),
    set: (digest, vector) => void cache.set(digest, vector),
  };
}
