import { openRedis } from "../../redis/connection.js";
import { ENTRY_BYTES_EXTRA } from "../embedding-cache.js";
import type { EmbeddingCache, EmbeddingCacheOptions } from "../embedding-cache.js";
import { decodeVector, encodeVector } from "./codec.js";
import { valueKey } from "./keys.js";
import { KEYS_PER_CALL, NOTE_USES } from "./scripts.js";
import { noteUses } from "./uses.js";
import type { Client } from "./uses.js";

/** Encoding is waiting meanwhile, and costs about as much as so long a wait. */
const COMMAND_TIMEOUT_MS = 500;

/**
 * A cache on Redis 6.2 or later, shared by all that name the same one: a single server or a cluster
 * (`?cluster=true`). Connects with the first call.
 */
export function createRedisEmbeddingCache(
  url: string,
  options: Required<EmbeddingCacheOptions>,
): EmbeddingCache {
  const redis = openRedis<Client>(url, {
    purpose: "the embedding cache",
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    scripts: { noteUses: { lua: NOTE_USES, numberOfKeys: 2 } },
  });
  const { client, reach } = redis;

  /** Resolves with `otherwise` where the cache is unavailable. */
  async function attempt<Result>(
    command: () => Promise<Result>,
    otherwise: Result,
  ): Promise<Result> {
    try {
      return await reach(command);
    } catch (error) {
      options.onFailure(error);
      return otherwise;
    }
  }

  return {
    async get(keys) {
      const found: (Float32Array | undefined)[] = [];
      for (const batch of batches(keys)) {
        const values = await attempt(
          () => Promise.all(batch.map((key) => client.getBuffer(valueKey(key)))),
          batch.map(() => null),
        );
        const vectors = values.map(decodeVector);
        found.push(...vectors);
        const used = sizesOf(batch.map((key, at) => [key, vectors[at]]));
        if (used.size > 0) await attempt(() => noteUses(client, options, used), undefined);
      }
      return found;
    },
    async set(vectors) {
      const entries = [...vectors].filter(([, vector]) => vector.length > 0);
      for (const batch of batches(entries)) {
        await attempt(async () => {
          await Promise.all(
            batch.map(([key, vector]) =>
              client.set(valueKey(key), encodeVector(vector), "EX", options.ttlSeconds),
            ),
          );
          await noteUses(client, options, sizesOf(batch));
        }, undefined);
      }
    },
    async ping() {
      await reach(() => client.ping());
    },
    close: () => redis.close(),
  };
}

function* batches<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let from = 0; from < items.length; from += KEYS_PER_CALL)
    yield items.slice(from, from + KEYS_PER_CALL);
}

/** The bytes that count for each key that has a vector. */
function sizesOf(
  entries: readonly (readonly [key: string, vector: Float32Array | undefined])[],
): Map<string, number> {
  return new Map(
    entries.flatMap(([key, vector]) =>
      vector === undefined ? [] : [[key, vector.byteLength + ENTRY_BYTES_EXTRA] as const],
    ),
  );
}
