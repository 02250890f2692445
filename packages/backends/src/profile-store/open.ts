import { createMemoryProfileStore } from "./memory.js";
import { POPULARITY_PRODUCTS_MAX, PROFILE_TTL_SECONDS } from "./profile-store.js";
import type { ProfileStore, ProfileStoreOptions } from "./profile-store.js";
import { createRedisProfileStore } from "./redis/redis-profile-store.js";
import { isRedisUrl, redisUrlExpected } from "../redis/url.js";

/**
 * Opens the profile store that the URL names. `memory:` is a new store each time.
 * @throws MarquetryError `invalid`
 */
export function openProfileStore(url: string, options: ProfileStoreOptions): ProfileStore {
  const all = {
    ttlSeconds: PROFILE_TTL_SECONDS,
    popularityProductsMax: POPULARITY_PRODUCTS_MAX,
    ...options,
  };
  if (url === "memory:") return createMemoryProfileStore(all);
  if (isRedisUrl(url)) return createRedisProfileStore(url, all);
  throw redisUrlExpected("profile store");
}
