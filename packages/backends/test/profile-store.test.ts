import { createMemoryProfileStore } from "../src/profile-store/memory.js";
import { describeProfileStore } from "../src/profile-store/profile-store.contract.js";
import type { ProfileStore } from "../src/profile-store/profile-store.js";
import { createRedisProfileStore } from "../src/profile-store/redis/redis-profile-store.js";
import { withServerAt } from "./servers.js";

const inProcess = new Map<string, ProfileStore>();
describeProfileStore("profile store in memory", (options) => {
  const known = inProcess.get(options.bundleId);
  if (known !== undefined) return known;
  const store = createMemoryProfileStore(options);
  // `clear` of a closed store fails; the suite closes each handle, of which several are this one.
  const shared: ProfileStore = { ...store, close: async () => undefined };
  inProcess.set(options.bundleId, shared);
  return shared;
});

withServerAt("REDIS_URL", "redis://HOST:PORT", "profile store on Redis", (url) =>
  describeProfileStore("profile store on Redis", (options) =>
    createRedisProfileStore(url, options),
  ),
);
