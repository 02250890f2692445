import { expect, test } from "@jest/globals";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import { MarquetryError } from "@marquetry/runtime/errors";
import { createPopularity } from "./popularity.js";

function openStore() {
  const profiles = openProfileStore("memory:", { bundleId: "b", popularityHalfLifeMs: 3_600_000 });
  const store = { unavailable: false, reads: 0 };
  const popularity = createPopularity({
    ...profiles,
    async mostPopular(limit, atMs) {
      store.reads += 1;
      if (store.unavailable) throw new MarquetryError("unavailable", "it does not answer");
      return profiles.mostPopular(limit, atMs);
    },
  });
  let offset = -1n;
  const add = (productId: string, weight: number) =>
    profiles.addPopularity({ partition: 0, offset: (offset += 1n) }, [
      { productId, weight, occurredAtMs: Date.now() },
    ]);
  const topIds = async () => (await popularity.top()).map(({ productId }) => productId);
  return { store, popularity, add, topIds };
}

test("calls at once share one read of the store", async () => {
  const { store, add, topIds } = openStore();
  await add("a", 1);
  await add("b", 2);
  expect(await Promise.all([topIds(), topIds(), topIds()])).toEqual([
    ["b", "a"],
    ["b", "a"],
    ["b", "a"],
  ]);
  expect(store.reads).toBe(1);
});

test("a failure is not cached: the next call reads again", async () => {
  const { store, add, topIds } = openStore();
  await add("a", 1);
  store.unavailable = true;
  await expect(topIds()).rejects.toMatchObject({ code: "unavailable" });
  store.unavailable = false;
  expect(await topIds()).toEqual(["a"]);
});

test("the popularity of single products is never an old one", async () => {
  const { popularity, add, topIds } = openStore();
  await topIds();
  await add("a", 4);
  const [a, unknown] = await popularity.of(["a", "unknown"]);
  expect(a).toBeCloseTo(4, 3);
  expect(unknown).toBe(0);
});
