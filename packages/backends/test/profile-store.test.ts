import { describe, test } from "@jest/globals";
import { createMemoryProfileStore } from "../src/profile-store/memory.js";
import { describeProfileStore } from "../src/profile-store/profile-store.contract.js";
import type { ProfileStore } from "../src/profile-store/profile-store.js";
import { createRedisProfileStore } from "../src/profile-store/redis/redis-profile-store.js";

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

const redisUrl = process.env["REDIS_URL"];
if (redisUrl !== undefined) {
  describeProfileStore("profile store on Redis", (options) =>
    createRedisProfileStore(redisUrl, options),
  );
} else if (process.env["CI"] !== undefined) {
  test("profile store on Redis", () => {
    throw new Error("REDIS_URL is not set: expected redis://host:port of a server for tests");
  });
} else {
  console.warn("profile store on Redis: skipped; set REDIS_URL=redis://127.0.0.1:6379 to run it");
  describe.skip("profile store on Redis (set REDIS_URL to run)", () => {
    test("contract", () => undefined);
  });
}
