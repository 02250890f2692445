import type { RedisClient } from "../../redis/connection.js";
import { MEGABYTE } from "../embedding-cache.js";
import type { EmbeddingCacheOptions } from "../embedding-cache.js";
import { shardOf, SHARDS, valueKey } from "./keys.js";

/** Commands of Redis, and the script of `scripts.ts`. */
export interface Client extends Pick<RedisClient, "getBuffer" | "set" | "unlink" | "ping"> {
  noteUses(uses: string, bytes: string, ...args: (string | number)[]): Promise<string[]>;
}

/** Notes that entries are used now, and deletes what must leave. `sizes` holds each key's bytes. */
export async function noteUses(
  client: Client,
  { megabytes, ttlSeconds }: Required<EmbeddingCacheOptions>,
  sizes: ReadonlyMap<string, number>,
): Promise<void> {
  const nowMs = Date.now();
  const shardBytesMax = Math.floor((megabytes * MEGABYTE) / SHARDS);
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
