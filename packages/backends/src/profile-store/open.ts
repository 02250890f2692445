import { MarquetryError } from "@marquetry/runtime/errors";
import { createMemoryProfileStore } from "./memory.js";
import { POPULARITY_PRODUCTS_MAX, PROFILE_TTL_SECONDS } from "./profile-store.js";
import type { ProfileStore, ProfileStoreOptions } from "./profile-store.js";
import { createRedisProfileStore } from "./redis/redis.js";

/**
 * Opens the profile store that the URL names. `memory:` is a new store each time.
 * @throws MarquetryError `invalid`
 */
export function openProfileStore(url: string, given: ProfileStoreOptions): ProfileStore {
  const options = {
    ttlSeconds: PROFILE_TTL_SECONDS,
    popularityProductsMax: POPULARITY_PRODUCTS_MAX,
    ...given,
  };
  if (url === "memory:") return createMemoryProfileStore(options);
  if (/^rediss?:\/\/./.test(url) && URL.canParse(url)) return createRedisProfileStore(url, options);
  // Not the URL itself: it may carry a password.
  throw new MarquetryError(
    "invalid",
    "profile store URL: expected memory:, redis://host:port, rediss://host:port or either with ?cluster=true",
    { field: "url" },
  );
}
