import { EMBEDDING_TTL_SECONDS } from "./embedding-cache.js";
import type { EmbeddingCache, EmbeddingCacheOptions } from "./embedding-cache.js";
import { createMemoryEmbeddingCache } from "./memory.js";
import { createRedisEmbeddingCache } from "./redis/redis-embedding-cache.js";
import { isRedisUrl, redisUrlExpected } from "../redis/url.js";

/**
 * Opens the cache that the URL names. `memory:` is a new cache each time.
 * @throws MarquetryError `invalid`
 */
export function openEmbeddingCache(url: string, options: EmbeddingCacheOptions): EmbeddingCache {
  const all = { ttlSeconds: EMBEDDING_TTL_SECONDS, onFailure: () => {}, ...options };
  if (url === "memory:") return createMemoryEmbeddingCache(all);
  if (isRedisUrl(url)) return createRedisEmbeddingCache(url, all);
  throw redisUrlExpected("embedding cache");
}
