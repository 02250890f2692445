import { openRedis } from "../redis/connection.js";
import type { RedisClient } from "../redis/connection.js";
import { ENTRY_BYTES_EXTRA, MEGABYTE } from "./embedding-cache.js";
import type { EmbeddingCache, EmbeddingCacheOptions } from "./embedding-cache.js";

/*
 * Keys, spread over 16 shards whose braces are what Redis Cluster hashes:
 *   marquetry:embedding:{<shard>}:<key>   the vector as little-endian float32, with a time to live
 *   marquetry:embedding:{<shard>}         sorted set of `<bytes>:<key>` by the time of last use
 *   marquetry:embedding:{<shard>}:bytes   the sum of those bytes
 */

const SHARDS = 16;
/** A bound on one reply, and on how long Redis is busy with one script. */
const KEYS_PER_CALL = 256;
/** Encoding is waiting meanwhile, and costs about as much as so long a wait. */
const COMMAND_TIMEOUT_MS = 500;

/**
 * Notes the use of entries, and names those that must leave: whose time is over, then the ones used
 * longest ago, until the bytes are within their bound. The caller deletes them, since a script may
 * not touch a key that it was not given.
 * KEYS: uses, bytes. ARGV: now, time of use before which an entry has expired, bytes allowed, then
 * members.
 */
const NOTE_USES = `
local function forget(members)
  for _, member in ipairs(members) do
    redis.call('ZREM', KEYS[1], member)
    redis.call('DECRBY', KEYS[2], string.match(member, '^%d+'))
  end
end
for i = 4, #ARGV do
  if redis.call('ZADD', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('INCRBY', KEYS[2], string.match(ARGV[i], '^%d+'))
  end
end
local leaving = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2], 'LIMIT', 0, ${2 * KEYS_PER_CALL})
forget(leaving)
for _ = 1, ${2 * KEYS_PER_CALL} do
  if tonumber(redis.call('GET', KEYS[2]) or '0') <= tonumber(ARGV[3]) then break end
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0)
  if #oldest == 0 then break end
  forget(oldest)
  leaving[#leaving + 1] = oldest[1]
end
return leaving
`;

interface Client extends Pick<RedisClient, "getBuffer" | "set" | "unlink" | "ping"> {
  noteUses(uses: string, bytes: string, ...args: (string | number)[]): Promise<string[]>;
}

/**
 * A cache on Redis 6.2 or later, shared by all that name the same one: a single server or a cluster
 * (`?cluster=true`). Connects with the first call.
 */
export function createRedisEmbeddingCache(
  url: string,
  { megabytes, ttlSeconds, onFailure }: Required<EmbeddingCacheOptions>,
): EmbeddingCache {
  const redis = openRedis<Client>(url, {
    purpose: "the embedding cache",
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    scripts: { noteUses: { lua: NOTE_USES, numberOfKeys: 2 } },
  });
  const { client, reach } = redis;
  const shardBytesMax = Math.floor((megabytes * MEGABYTE) / SHARDS);

  /** Answers `otherwise` where the cache is away. */
  async function attempt<Result>(
    command: () => Promise<Result>,
    otherwise: Result,
  ): Promise<Result> {
    try {
      return await reach(command);
    } catch (error) {
      onFailure(error);
      return otherwise;
    }
  }

  async function noteUses(sizes: ReadonlyMap<string, number>): Promise<void> {
    const nowMs = Date.now();
    const shards = Map.groupBy(sizes, ([key]) => shardOf(key));
    await Promise.all(
      Array.from(shards, async ([shard, entries]) => {
        const leaving = await client.noteUses(
          shard,
          `${shard}:bytes`,
          nowMs,
          nowMs - ttlSeconds * 1_000,
          shardBytesMax,
          ...entries.map(([key, bytes]) => `${bytes}:${key}`),
        );
        const keys = leaving.map((member) => member.slice(member.indexOf(":") + 1));
        await Promise.all(keys.map((key) => client.unlink(valueKey(key))));
      }),
    );
  }

  return {
    async get(keys) {
      const found: (Float32Array | undefined)[] = [];
      for (const part of parts(keys)) {
        const missing = part.map(() => null);
        const values = await attempt(
          () => Promise.all(part.map((key) => client.getBuffer(valueKey(key)))),
          missing,
        );
        const vectors = values.map(toVector);
        found.push(...vectors);
        const used = part.flatMap((key, at) => {
          const vector = vectors[at];
          return vector === undefined ? [] : [[key, entryBytes(vector)] as const];
        });
        if (used.length > 0) await attempt(() => noteUses(new Map(used)), undefined);
      }
      return found;
    },
    async set(vectors) {
      const entries = [...vectors].filter(([, vector]) => vector.length > 0);
      for (const part of parts(entries)) {
        await attempt(async () => {
          await Promise.all(
            part.map(([key, vector]) =>
              client.set(valueKey(key), toBytes(vector), "EX", ttlSeconds),
            ),
          );
          await noteUses(new Map(part.map(([key, vector]) => [key, entryBytes(vector)])));
        }, undefined);
      }
    },
    async ping() {
      await reach(() => client.ping());
    },
    close: () => redis.close(),
  };
}

function* parts<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let from = 0; from < items.length; from += KEYS_PER_CALL)
    yield items.slice(from, from + KEYS_PER_CALL);
}

function shardOf(key: string): string {
  let hash = 0;
  for (let at = 0; at < key.length; at += 1) hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0;
  return `marquetry:embedding:{${(hash >>> 0) % SHARDS}}`;
}

function valueKey(key: string): string {
  return `${shardOf(key)}:${key}`;
}

function entryBytes(vector: Float32Array): number {
  return vector.byteLength + ENTRY_BYTES_EXTRA;
}

function toBytes(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(vector.byteLength);
  for (let at = 0; at < vector.length; at += 1) bytes.writeFloatLE(vector[at]!, 4 * at);
  return bytes;
}

function toVector(value: Buffer | null | undefined): Float32Array | undefined {
  if (value === null || value === undefined) return undefined;
  if (value.length === 0 || value.length % 4 !== 0) return undefined;
  const vector = new Float32Array(value.length / 4);
  for (let at = 0; at < vector.length; at += 1) vector[at] = value.readFloatLE(4 * at);
  return vector;
}
