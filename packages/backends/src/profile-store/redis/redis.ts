import { randomBytes } from "node:crypto";
import { openRedis } from "../../redis/connection.js";
import type { RedisClient, RedisServer } from "../../redis/connection.js";
import { checkId, decodeProfile } from "../codec.js";
import type { EncodedProfile } from "../codec.js";
import {
  REBASE_HALF_LIVES,
  checkInstant,
  checkOptions,
  checkPopularityEvents,
  compareProducts,
  popularityAt,
} from "../popularity-decay.js";
import type { ScoredProduct } from "../popularity-decay.js";
import type {
  PopularityEvent,
  ProfileStore,
  ProfileStoreOptions,
  SourceOffset,
  UpdateResult,
} from "../profile-store.js";
import { ADD_POPULARITY, MOST_POPULAR, READ_POPULARITY, UPDATE_USER } from "./scripts.js";
import { checkSource, updateProfiles } from "../update-profiles.js";
import type { StoredUser, UserStates, UserWrite } from "../update-profiles.js";

/*
 * Keys, all of one bundle under one prefix and the braces around what Redis Cluster hashes:
 *   marquetry:<bundle>:{<user>}                       hash: h history, i interests, v version,
 *                                                     o<partition> last offset applied
 *   marquetry:<bundle>:{popularity:<bundle>}:scores   sorted set of negated scores
 *   marquetry:<bundle>:{popularity:<bundle>}:state    hash: landmark, halfLife, o<partition>
 */

const USERS_PER_READ = 256;
const PRODUCTS_PER_READ = 1_000;
const KEYS_PER_SCAN = 500;

type Argument = string | number | Buffer;
type PopularityReply = [] | [head: [string, string], values: (string | null)[]];

interface Client extends Pick<RedisClient, "hgetallBuffer" | "unlink" | "ping"> {
  updateUser(key: string, ...args: Argument[]): Promise<number>;
  addPopularity(scores: string, state: string, ...args: Argument[]): Promise<number>;
  readPopularity(scores: string, state: string, ...ids: string[]): Promise<PopularityReply>;
  mostPopular(scores: string, state: string, limit: number): Promise<PopularityReply>;
}

/**
 * A profile store on Redis 6.2 or later, a single server (`redis://host:6379/0`, `rediss://` for TLS)
 * or a cluster, of which the URL names one node (`redis://host:6379?cluster=true`). Connects with the
 * first call. Fails fast with `unavailable` while Redis is away, and goes on by itself when it is back.
 */
export function createRedisProfileStore(
  url: string,
  options: Required<ProfileStoreOptions>,
): ProfileStore {
  checkOptions(options);
  const redis = openRedis<Client>(url, {
    purpose: "the profile store",
    scripts: {
      updateUser: { lua: UPDATE_USER, numberOfKeys: 1 },
      addPopularity: { lua: ADD_POPULARITY, numberOfKeys: 2 },
      readPopularity: { lua: READ_POPULARITY, numberOfKeys: 2 },
      mostPopular: { lua: MOST_POPULAR, numberOfKeys: 2 },
    },
  });
  const { client, reach } = redis;
  const prefix = `marquetry:${keyPart(options.bundleId)}:`;
  const users = userStates(client, prefix, options.ttlSeconds);
  const popularity = popularityCounters(client, prefix, options);

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
    clear: () => reach(() => clearKeys(client, redis.masters(), prefix)),
    async ping() {
      await reach(() => client.ping());
    },
    close: () => redis.close(),
  };
}

function userStates(client: Client, prefix: string, ttlSeconds: number): UserStates {
  function userKey(userId: string): string {
    return `${prefix}{${keyPart(userId)}}`;
  }

  async function readOne(userId: string): Promise<StoredUser> {
    const fields = await client.hgetallBuffer(userKey(userId));
    const offsets = new Map<number, bigint>();
    for (const [field, value] of Object.entries(fields)) {
      if (field.startsWith("o")) offsets.set(Number(field.slice(1)), BigInt(value.toString()));
    }
    const { v: version, h: history, i: interests } = fields;
    const profile = history && interests && { history, interests };
    return { version: version?.toString("latin1") ?? "", offsets, profile };
  }

  async function writeOne(write: UserWrite): Promise<UpdateResult | "conflict"> {
    const { source, profile } = write;
    const reply = await client.updateUser(
      userKey(write.userId),
      `o${source.partition}`,
      source.offset.toString(),
      write.expectedVersion,
      // Random rather than counted: a key that expired and came back must not repeat a version.
      randomBytes(9).toString("base64url"),
      ttlSeconds,
      buffer(profile?.history),
      buffer(profile?.interests),
    );
    if (reply < 0) return "conflict";
    return reply === 1 ? "applied" : "already-applied";
  }

  return {
    read: (userIds) => Promise.all(userIds.map(readOne)),
    write: (writes) => Promise.all(writes.map(writeOne)),
  };
}

function popularityCounters(
  client: Client,
  prefix: string,
  options: Required<ProfileStoreOptions>,
) {
  const tagged = `${prefix}{popularity:${keyPart(options.bundleId)}}`;
  const scores = `${tagged}:scores`;
  const state = `${tagged}:state`;

  async function add(
    source: SourceOffset,
    events: readonly PopularityEvent[],
  ): Promise<UpdateResult> {
    const latestMs = events.reduce((max, event) => Math.max(max, event.occurredAtMs), -Infinity);
    const reply = await client.addPopularity(
      scores,
      state,
      `o${source.partition}`,
      source.offset.toString(),
      options.popularityHalfLifeMs,
      options.popularityProductsMax,
      REBASE_HALF_LIVES,
      latestMs,
      ...events.flatMap(({ productId, weight, occurredAtMs, offset = source.offset }) => [
        productId,
        weight,
        occurredAtMs,
        offset.toString(),
      ]),
    );
    return reply === 1 ? "applied" : "already-applied";
  }

  async function read(productIds: readonly string[], atMs: number): Promise<Float64Array> {
    const values = new Float64Array(productIds.length);
    for (let start = 0; start < productIds.length; start += PRODUCTS_PER_READ) {
      const ids = productIds.slice(start, start + PRODUCTS_PER_READ);
      const reply = await client.readPopularity(scores, state, ...ids);
      if (reply.length === 0) return values;
      const [head, stored] = reply;
      for (const [i, score] of stored.entries()) {
        values[start + i] = popularityOf(score, head, atMs);
      }
    }
    return values;
  }

  async function most(limit: number, atMs: number): Promise<ScoredProduct[]> {
    const reply = await client.mostPopular(scores, state, limit);
    if (reply.length === 0) return [];
    const [head, stored] = reply;
    const products: ScoredProduct[] = [];
    for (let i = 0; i < stored.length; i += 2) {
      const popularity = popularityOf(stored[i + 1]!, head, atMs);
      if (popularity > 0) products.push({ productId: stored[i]!, popularity });
    }
    // Scores that differ may read as one popularity, where ties go by id again.
    return products.sort(compareProducts);
  }

  function popularityOf(score: string | null, head: [string, string], atMs: number): number {
    if (score === null) return 0;
    return popularityAt(-Number(score), Number(head[0]), Number(head[1]), atMs);
  }

  return { add, read, most };
}

async function clearKeys(
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

/** An id as it may stand in a key: no brace, colon or character that SCAN takes for a pattern. */
function keyPart(id: string): string {
  return encodeURIComponent(id).replaceAll("*", "%2A");
}

function buffer(bytes: Uint8Array | undefined): Buffer {
  if (bytes === undefined) return Buffer.alloc(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
