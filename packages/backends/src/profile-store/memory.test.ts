import { describe, expect, test } from "@jest/globals";
import { MEMORY_USERS_MAX, createMemoryProfileStore } from "./memory.js";

const OPTIONS = {
  bundleId: "b",
  ttlSeconds: 10,
  popularityHalfLifeMs: 1_000,
  popularityProductsMax: 10,
};
const EMPTY = { history: [], interests: [] };

function touch(userId: string, offset: bigint) {
  return { userId, source: { partition: 0, offset }, change: () => EMPTY };
}

describe("memory profile store", () => {
  test("a profile lives exactly its time after the last write; reading does not prolong it", async () => {
    let nowMs = 1_000;
    const store = createMemoryProfileStore(OPTIONS, () => nowMs);
    await store.update([touch("u", 0n)]);
    nowMs += 6_000;
    await store.update([touch("u", 1n)]);
    nowMs += 9_999;
    expect(await store.read(["u"])).toEqual([EMPTY]);
    nowMs += 1;
    expect(await store.read(["u"])).toEqual([undefined]);
  });

  test("beyond the bound the user written longest ago leaves", async () => {
    const store = createMemoryProfileStore(OPTIONS, () => 0);
    await store.update(Array.from({ length: MEMORY_USERS_MAX }, (_, i) => touch(`u${i}`, 0n)));
    await store.update([touch("u0", 1n)]);
    await store.update([touch("one-more", 0n)]);

    const profiles = await store.read(["u0", "u1", "u2", "one-more"]);
    expect(profiles).toEqual([EMPTY, undefined, EMPTY, EMPTY]);
  });
});
