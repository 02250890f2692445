import { expect, test } from "@jest/globals";
import { createEmbeddingCache } from "./embedding-cache.js";

const digest = (i: number): string => String(i).padStart(64, "0");
const BYTES_EACH = 4 * 240 + 64;

test("a vector is found by its digest, and no other is", () => {
  const cache = createEmbeddingCache(1);
  const vector = Float32Array.of(1, 2);
  cache.set(digest(1), vector);
  expect(cache.get(digest(1))).toBe(vector);
  expect(cache.get(digest(2))).toBeUndefined();
});

test("the cache stays within its megabytes and forgets what was used longest ago", () => {
  const cache = createEmbeddingCache(1);
  const room = Math.floor(1_048_576 / BYTES_EACH);
  for (let i = 0; i < room; i += 1) cache.set(digest(i), new Float32Array(240));
  expect(cache.get(digest(0))).toBeDefined();
  cache.set(digest(room), new Float32Array(240));
  expect(cache.get(digest(1))).toBeUndefined();
  expect(cache.get(digest(0))).toBeDefined();
  for (let i = 0; i < 3 * room; i += 1) cache.set(digest(10_000 + i), new Float32Array(240));
  const kept = Array.from({ length: 3 * room }, (_, i) => cache.get(digest(10_000 + i)));
  expect(kept.filter((vector) => vector !== undefined)).toHaveLength(room);
});
