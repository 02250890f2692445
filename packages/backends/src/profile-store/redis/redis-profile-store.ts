import { openRedis } from "../../redis/connection.js";
import type { RedisServer } from "../../redis/connection.js";
import {
  checkId,
  checkInstant,
  checkOptions,
  checkPopularityEvents,
  checkSource,
} from "../checks.js";
import { decodeProfile } from "../codec.js";
import type { EncodedProfile } from "../codec.js";
import type { ProfileStore, ProfileStoreOptions } from "../profile-store.js";
import { updateProfiles } from "../update-profiles.js";
import { SCRIPTS } from "./client.js";
import type { Client } from "./client.js";
import { keyPrefix } from "./keys.js";
import { createPopularityCounters } from "./popularity-counters.js";
import { createUserStates } from "./user-states.js";

const USERS_PER_READ = 256;
const KEYS_PER_SCAN = 500;

/**
 * A profile store on Redis 6.2 or later, a single server (`redis://host:6379/0`, `rediss://` for TLS)
 * or a cluster, of which the URL names one node (`redis://host:6379?cluster=true`). Connects with the
 * first call. Fails fast with `unavailable` while Redis is out of reach, and goes on by itself
 * afterwards.
 */
export function createRedisProfileStore(
  url: string,
  options: Required<ProfileStoreOptions>,
): ProfileStore {
  checkOptions(options);
  const redis = openRedis<Client>(url, { purpose: "the profile store", scripts: SCRIPTS });
  const { client, reach } = redis;
  const users = createUserStates(client, options);
  const popularity = createPopularityCounters(client, options);

  return {
    async read(userIds) {
      for (const userId of userIds) checkId(userId, "userId");
      const profiles: (EncodedProfile | undefined)[] = [];
      for (let start = 0; start < userIds.length; start += USERS_PER_READ) {
        const ids = userIds.slice(start, start + USERS_PER_READ);
        for (const user of await reach(() => users.read(ids))) profiles.push(user.profile);
      }
      return profiles.map((profile) => profile && decodeProfile(profile));
    },
    update: (updates) =>
      updateProfiles(updates, {
        read: (userIds) => reach(() => users.read(userIds)),
        write: (writes) => reach(() => users.write(writes)),
      }),
    async addPopularity(source, events) {
      checkSource(source);
      checkPopularityEvents(events);
      return reach(() => popularity.add(source, events));
    },
    async popularity(productIds, atMs) {
      checkInstant(atMs, "atMs");
      return reach(() => popularity.read(productIds, atMs));
    },
    async mostPopular(limit, atMs) {
      checkInstant(atMs, "atMs");
      return limit > 0 ? reach(() => popularity.most(limit, atMs)) : [];
    },
    clear: () => reach(() => deleteKeys(client, redis.masters(), keyPrefix(options.bundleId))),
    async ping() {
      await reach(() => client.ping());
    },
    close: () => redis.close(),
  };
}

async function deleteKeys(
  client: Client,
  masters: readonly RedisServer[],
  prefix: string,
): Promise<void> {
  for (const master of masters) {
    const batches = master.scanStream({ match: `${prefix}*`, count: KEYS_PER_SCAN });
    for await (const keys of batches as AsyncIterable<string[]>) {
      await Promise.all(keys.map((key) => client.unlink(key)));
    }
  }
}
