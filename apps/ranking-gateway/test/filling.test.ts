/** An answer has as many products as asked for, where the catalogue has them. */
import { describe, expect, test } from "@jest/globals";
import { TOMORROW, direction, idsOf, product, startHarness } from "./harness.js";

const EAST = direction(0);

describe("the limit is filled", () => {
  test("behind a group of thousands of variants, nearer and fresher than all else", async () => {
    const { client, put, putUser } = await startHarness();
    const variants = Array.from({ length: 4_500 }, (_, at) =>
      product(`variant-${at}`, { degrees: 0, groupId: "group", availableFromMs: TOMORROW }),
    );
    const others = Array.from({ length: 30 }, (_, at) => product(`other-${at}`, { degrees: 90 }));
    await put(...variants, ...others);
    for (const userId of [await putUser(EAST), "nobody"]) {
      const ids = idsOf(await client.recommend({ userId, limit: 20 }));
      expect(ids).toHaveLength(20);
      expect(ids.filter((id) => id.startsWith("variant"))).toHaveLength(1);
    }
  });

  test("from groups of many variants each", async () => {
    const { client, put, putUser } = await startHarness();
    const variants = Array.from({ length: 1_200 }, (_, at) => {
      const groupId = `group-${Math.floor(at / 60)}`;
      return product(`variant-${at}`, { degrees: at / 10, groupId, availableFromMs: -at });
    });
    await put(...variants);
    for (const userId of [await putUser(EAST), "nobody"]) {
      const first = (group: number) => `variant-${group * 60}`;
      expect(idsOf(await client.recommend({ userId, limit: 20 })).toSorted()).toEqual(
        Array.from({ length: 20 }, (_, group) => first(group)).toSorted(),
      );
    }
  });

  test("whether products have vectors or not", async () => {
    const { client, put, putUser } = await startHarness();
    const bare = Array.from({ length: 150 }, (_, at) => product(`bare-${at}`));
    await put(...bare, product("near", { degrees: 0 }));
    for (const userId of [await putUser(EAST), "nobody"])
      expect((await client.recommend({ userId, limit: 120 })).items).toHaveLength(120);
  });

  test("a popular product without a vector is found beyond what is near and fresh", async () => {
    const { client, put, putUser, putPopularity } = await startHarness();
    const crowd = Array.from({ length: 150 }, (_, at) =>
      product(`p${at}`, { degrees: 150, availableFromMs: 1 }),
    );
    await put(...crowd, product("hit"));
    await putPopularity({ hit: 5 });
    for (const userId of [await putUser(EAST), "nobody"])
      expect(idsOf(await client.recommend({ userId, limit: 3 }))[0]).toBe("hit");
  });
});
