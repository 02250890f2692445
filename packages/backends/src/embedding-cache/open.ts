import { MarquetryError } from "@marquetry/runtime/errors";
import { EMBEDDING_TTL_SECONDS } from "./embedding-cache.js";
import type { EmbeddingCache, EmbeddingCacheOptions } from "./embedding-cache.js";
import { createMemoryEmbeddingCache } from "./memory.js";
import { createRedisEmbeddingCache } from "./redis.js";

/**
 * Opens the cache that the URL names. `memory:` is a new cache each time.
 * @throws MarquetryError `invalid`
 */
export function openEmbeddingCache(url: string, given: EmbeddingCacheOptions): EmbeddingCache {
  const options = { ttlSeconds: EMBEDDING_TTL_SECONDS, onFailure: () => {}, ...given };
  if (url === "memory:") return createMemoryEmbeddingCache(options);
  if (/^rediss?:\/\/./.test(url) && URL.canParse(url))
    return createRedisEmbeddingCache(url, options);
  // Not the URL itself: it may carry a password.
  throw new MarquetryError(
    "invalid",
    "embedding cache URL: expected memory:, redis://host:port, rediss://host:port or either with ?cluster=true",
    { field: "url" },
  );
}
