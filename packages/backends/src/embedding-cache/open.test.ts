import { expect, test } from "@jest/globals";
import { openEmbeddingCache } from "./open.js";

test("memory: is a new cache each time", async () => {
  const [first, second] = [1, 2].map(() => openEmbeddingCache("memory:", { megabytes: 1 }));
  await first!.set(new Map([["k", Float32Array.of(1)]]));
  expect(await second!.get(["k"])).toEqual([undefined]);
});

test.each(["", "memory", "redis:", "http://u:s3cret@host", "redis//h"])(
  "%p is refused, and nothing of it is repeated",
  (url) => {
    const open = () => openEmbeddingCache(url, { megabytes: 1 });
    expect(open).toThrow(/^embedding cache URL: expected memory:, redis:/);
    expect(open).not.toThrow(/s3cret/);
  },
);
