import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, test } from "@jest/globals";
import { createUntil } from "@marquetry/testing/until";
import { ENTRY_BYTES_EXTRA, MEGABYTE } from "./embedding-cache.js";
import type { EmbeddingCache, EmbeddingCacheOptions } from "./embedding-cache.js";

const until = createUntil(20_000, 10);
const DIMS = 1_024;
const ENTRY_BYTES = 4 * DIMS + ENTRY_BYTES_EXTRA;

/** The guarantees of the port as tests, the same for every implementation. What `open` opens is
 * empty where it says so. */
export function describeEmbeddingCache(
  name: string,
  open: (options: EmbeddingCacheOptions) => EmbeddingCache,
  empty: () => Promise<void>,
): void {
  describe(name, () => {
    const opened: EmbeddingCache[] = [];

    afterEach(async () => {
      for (const cache of opened.splice(0)) await cache.close();
    });

    function openCache(options: Partial<EmbeddingCacheOptions> = {}): EmbeddingCache {
      const cache = open({
        megabytes: 16,
        onFailure: (error) => {
          throw error;
        },
        ...options,
      });
      opened.push(cache);
      return cache;
    }

    test("vectors come back bit for bit, in the order of the keys, and unknown keys as nothing", async () => {
      const cache = openCache();
      const [a, b] = [uniqueKey(), uniqueKey()];
      const vectors = new Map([
        [a, Float32Array.of(1.401298464324817e-45, -3.4028234663852886e38, 1 / 3, -0)],
        [b, Float32Array.of(0.1)],
      ]);
      await cache.set(vectors);
      const found = await cache.get([b, uniqueKey(), a, b]);
      expect(found.map((vector) => vector && bitsOf(vector))).toEqual([
        bitsOf(vectors.get(b)!),
        undefined,
        bitsOf(vectors.get(a)!),
        bitsOf(vectors.get(b)!),
      ]);
    });

    test("what was handed in or out can be changed without changing what is stored", async () => {
      const cache = openCache();
      const key = uniqueKey();
      const vector = Float32Array.of(1, 2);
      await cache.set(new Map([[key, vector]]));
      vector.fill(9);
      const [first] = await cache.get([key]);
      first?.fill(8);
      const [second] = await cache.get([key]);
      expect(Array.from(second ?? [])).toEqual([1, 2]);
    });

    test("getting nothing, setting nothing and a vector of no dimension are fine", async () => {
      const cache = openCache();
      const key = uniqueKey();
      expect(await cache.get([])).toEqual([]);
      await cache.set(new Map());
      await cache.set(new Map([[key, new Float32Array(0)]]));
      expect(await cache.get([key])).toEqual([undefined]);
    });

    test("more keys than one request holds are stored and found", async () => {
      const cache = openCache();
      const keys = Array.from({ length: 1_300 }, uniqueKey);
      await cache.set(new Map(keys.map((key, at) => [key, Float32Array.of(at)])));
      const found = await cache.get(keys);
      expect(found.map((vector) => vector?.[0])).toEqual(keys.map((_, at) => at));
    });

    test("keys of any printable character name distinct vectors", async () => {
      const cache = openCache();
      const salt = randomUUID();
      const keys = ["a:b", "a", "{a}", "a*", "a b", "%61", "x".repeat(200)].map((k) => k + salt);
      await cache.set(new Map(keys.map((key, at) => [key, Float32Array.of(at)])));
      expect((await cache.get(keys)).map((vector) => vector?.[0])).toEqual(keys.map((_, i) => i));
    });

    test("the bound on the size holds, and what was used of late stays", async () => {
      await empty();
      const cache = openCache({ megabytes: 4 });
      const room = Math.floor((4 * MEGABYTE) / ENTRY_BYTES);
      const keys = Array.from({ length: 3 * room }, uniqueKey);
      const [favourite = ""] = keys;
      for (let from = 0; from < keys.length; from += 50) {
        const batch = keys.slice(from, from + 50);
        await cache.set(new Map(batch.map((key) => [key, new Float32Array(DIMS).fill(1)])));
        expect(await cache.get([favourite])).not.toEqual([undefined]);
      }
      const present = (await cache.get(keys)).map((vector) => vector !== undefined);
      const count = present.filter(Boolean).length;
      expect(count).toBeLessThanOrEqual(room);
      expect(count).toBeGreaterThan(0.9 * room);
      expect(present.slice(-100)).not.toContain(false);
      expect(present.slice(1, room / 2)).not.toContain(true);
    });

    test("a vector is gone when its time is over", async () => {
      const cache = openCache({ ttlSeconds: 1 });
      const key = uniqueKey();
      const startMs = Date.now();
      await cache.set(new Map([[key, Float32Array.of(1)]]));
      expect(await cache.get([key])).not.toEqual([undefined]);
      await until("expired", async () => (await cache.get([key]))[0] === undefined);
      expect(Date.now() - startMs).toBeGreaterThanOrEqual(990);
    });

    test("it answers, and closes twice without harm", async () => {
      const cache = openCache();
      await cache.ping();
      await cache.close();
      await cache.close();
    });
  });
}

function uniqueKey(): string {
  return `contract-${randomUUID()}`;
}

function bitsOf(vector: Float32Array): number[] {
  return [...new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)];
}
