import { MarquetryError } from "@marquetry/runtime/errors";
import { checkId, decodeProfile } from "./codec.js";
import {
  checkInstant,
  checkOptions,
  checkPopularityEvents,
  compareProducts,
  forwardWeight,
  nextLandmark,
  popularityAt,
} from "./popularity-decay.js";
import type { ScoredProduct } from "./popularity-decay.js";
import type {
  PopularityEvent,
  ProfileStore,
  ProfileStoreOptions,
  SourceOffset,
  UpdateResult,
} from "./profile-store.js";
import { checkSource, updateProfiles } from "./update-profiles.js";
import type { StoredUser, UserStates, UserWrite } from "./update-profiles.js";

/** Users kept; beyond it the one written longest ago leaves, guard and all. */
export const MEMORY_USERS_MAX = 50_000;

const ABSENT: StoredUser = { version: "", offsets: new Map(), profile: undefined };

interface KeptUser extends StoredUser {
  readonly expiresAtMs: number;
}

/**
 * A profile store inside the process, gone with it. Each call makes a store of its own. Profiles are
 * kept encoded, so that no caller holds a reference into the store.
 */
export function createMemoryProfileStore(
  options: Required<ProfileStoreOptions>,
  now: () => number = Date.now,
): ProfileStore {
  checkOptions(options);
  const users = createUserStates(options.ttlSeconds, now);
  const popularity = createPopularityCounters(options);
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
  const users = new Map<string, KeptUser>();
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
    users.delete(userId);
    users.set(userId, { version: String(++writes), offsets, profile, expiresAtMs });
    evict();
    return "applied";
  }

  return {
    read: async (userIds) => userIds.map(stored),
    write: async (all) => all.map(write),
    clear: () => users.clear(),
  };
}

function createPopularityCounters(options: Required<ProfileStoreOptions>) {
  const halfLifeMs = options.popularityHalfLifeMs;
  const scores = new Map<string, number>();
  const offsets = new Map<number, bigint>();
  let landmarkMs: number | undefined;
  let ranked: ScoredProduct[] | undefined;

  function rebase(toMs: number): void {
    const factor = 2 ** (((landmarkMs ?? toMs) - toMs) / halfLifeMs);
    for (const [productId, score] of scores) {
      if (score * factor === 0) scores.delete(productId);
      else scores.set(productId, score * factor);
    }
    landmarkMs = toMs;
  }

  /** By score: no passing of time changes the order. Sorted once after each change. */
  function ranking(): readonly ScoredProduct[] {
    ranked ??= Array.from(scores, ([productId, score]) => {
      return { productId, popularity: score };
    }).sort(compareProducts);
    return ranked;
  }

  function trim(): void {
    if (scores.size <= options.popularityProductsMax) return;
    for (const { productId } of ranking().slice(options.popularityProductsMax)) {
      scores.delete(productId);
    }
    ranked = undefined;
  }

  function add(source: SourceOffset, events: readonly PopularityEvent[]): UpdateResult {
    checkSource(source);
    checkPopularityEvents(events);
    const applied = offsets.get(source.partition) ?? -1n;
    if (applied >= source.offset) return "already-applied";
    offsets.set(source.partition, source.offset);
    if (events.length === 0) return "applied";
    ranked = undefined;
    const latestMs = events.reduce((max, event) => Math.max(max, event.occurredAtMs), -Infinity);
    const landmark = nextLandmark(landmarkMs, latestMs, halfLifeMs);
    if (landmark !== landmarkMs) rebase(landmark);
    for (const event of events) {
      if ((event.offset ?? source.offset) <= applied) continue;
      const weight = forwardWeight(event, landmark, halfLifeMs);
      if (weight === 0) continue;
      scores.set(event.productId, (scores.get(event.productId) ?? 0) + weight);
    }
    trim();
    return "applied";
  }

  function at(productId: string, atMs: number): number {
    return popularityAt(scores.get(productId) ?? 0, landmarkMs ?? atMs, halfLifeMs, atMs);
  }

  function most(limit: number, atMs: number): ScoredProduct[] {
    return ranking()
      .slice(0, Math.max(0, limit))
      .map(({ productId }) => ({ productId, popularity: at(productId, atMs) }))
      .filter(({ popularity }) => popularity > 0)
      .sort(compareProducts);
  }

  function clear(): void {
    scores.clear();
    ranked = undefined;
    offsets.clear();
    landmarkMs = undefined;
  }

  return { add, at, most, clear };
}
