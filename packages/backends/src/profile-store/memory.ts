import { MarquetryError } from "@marquetry/runtime/errors";
import {
  checkId,
  checkInstant,
  checkOptions,
  checkPopularityEvents,
  checkSource,
} from "./checks.js";
import { decodeProfile } from "./codec.js";
import { PopularityCounters } from "./memory-popularity.js";
import type { ProfileStore, ProfileStoreOptions } from "./profile-store.js";
import { updateProfiles } from "./update-profiles.js";
import type { StoredUser, UserStates, UserWrite } from "./update-profiles.js";

/** Users in the store; beyond it the one written longest ago leaves, with its offsets. */
export const MEMORY_USERS_MAX = 50_000;

const ABSENT: StoredUser = { version: "", offsets: new Map(), profile: undefined };

interface MemoryUser extends StoredUser {
  readonly expiresAtMs: number;
}

/**
 * A profile store inside the process, gone with it. Each call makes a store of its own. Profiles are
 * stored encoded, so that no caller holds a reference into the store.
 */
export function createMemoryProfileStore(
  options: Required<ProfileStoreOptions>,
  now: () => number = Date.now,
): ProfileStore {
  checkOptions(options);
  const users = createUserStates(options.ttlSeconds, now);
  const popularity = new PopularityCounters(options);
  let closed = false;

  function checkOpen(): void {
    if (closed) throw new MarquetryError("unavailable", "the profile store is closed");
  }

  return {
    async read(userIds) {
      checkOpen();
      for (const userId of userIds) checkId(userId, "userId");
      const stored = await users.read(userIds);
      return stored.map(({ profile }) => profile && decodeProfile(profile));
    },
    async update(updates) {
      checkOpen();
      return updateProfiles(updates, users);
    },
    async addPopularity(source, events) {
      checkOpen();
      checkSource(source);
      checkPopularityEvents(events);
      return popularity.add(source, events);
    },
    async popularity(productIds, atMs) {
      checkOpen();
      checkInstant(atMs, "atMs");
      return Float64Array.from(productIds, (productId) => popularity.at(productId, atMs));
    },
    async mostPopular(limit, atMs) {
      checkOpen();
      checkInstant(atMs, "atMs");
      return popularity.most(limit, atMs);
    },
    async clear() {
      checkOpen();
      users.clear();
      popularity.clear();
    },
    async ping() {
      checkOpen();
    },
    async close() {
      closed = true;
    },
  };
}

function createUserStates(ttlSeconds: number, now: () => number): UserStates & { clear(): void } {
  // In the order of writing, which with one time to live is the order of expiry.
  const users = new Map<string, MemoryUser>();
  let writes = 0;

  function stored(userId: string): StoredUser {
    const user = users.get(userId);
    return user === undefined || user.expiresAtMs <= now() ? ABSENT : user;
  }

  function evict(): void {
    for (const [userId, user] of users) {
      if (user.expiresAtMs > now() && users.size <= MEMORY_USERS_MAX) return;
      users.delete(userId);
    }
  }

  function write({ userId, source, expectedVersion, profile }: UserWrite) {
    const before = stored(userId);
    const applied = before.offsets.get(source.partition);
    if (applied !== undefined && applied >= source.offset) return "already-applied";
    if (before.version !== expectedVersion) return "conflict";
    const offsets = new Map(before.offsets).set(source.partition, source.offset);
    const expiresAtMs = now() + ttlSeconds * 1000;
    writes += 1;
    users.delete(userId);
    users.set(userId, { version: String(writes), offsets, profile, expiresAtMs });
    evict();
    return "applied";
  }

  return {
    read: async (userIds) => userIds.map(stored),
    write: async (all) => all.map(write),
    clear: () => users.clear(),
  };
}
