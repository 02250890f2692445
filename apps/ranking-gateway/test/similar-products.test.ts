/** SimilarProducts over gRPC: what is never in the answer, and the answer without the profile store. */
import { describe, expect, test } from "@jest/globals";
import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { idsOf, product, startHarness } from "./harness.js";
import { refusal } from "./client.js";

async function startShop() {
  const harness = await startHarness();
  await harness.put(
    product("shirt-s", { degrees: 0, groupId: "shirts" }),
    product("shirt-m", { degrees: 0, groupId: "shirts" }),
    product("blouse-s", { degrees: 20, groupId: "blouses" }),
    product("blouse-m", { degrees: 10, groupId: "blouses" }),
    product("sock", { degrees: 80 }),
    product("bare"),
    product("gone", { removed: true }),
  );
  // By another way than near ones they must not come either.
  await harness.putPopularity({ "shirt-s": 5, "shirt-m": 5, gone: 5 });
  return harness;
}

describe("similar products", () => {
  test("neither the product nor its group is answered, and one of each other group", async () => {
    const { client, bundle } = await startShop();
    const answer = await client.similarProducts({ productId: "shirt-s" });
    expect(idsOf(answer)).toEqual(["blouse-m", "sock", "bare"]);
    expect([answer.bundleId, answer.degradationReasons]).toEqual([bundle.id, []]);
  });

  test("with variants its group is, the product itself never", async () => {
    const { client } = await startShop();
    const answer = await client.similarProducts({ productId: "shirt-s", includeVariants: true });
    expect(idsOf(answer)).toEqual(["shirt-m", "blouse-m", "blouse-s", "sock", "bare"]);
  });

  test.each([
    ["unknown", "nothing", "is not in the catalogue"],
    ["removed", "gone", "is not in the catalogue"],
    ["without a vector", "bare", "has no vector yet"],
  ])("a product that is %s is NOT_FOUND", async (_, productId, why) => {
    const { client } = await startShop();
    expect(await refusal(client.similarProducts({ productId }))).toEqual([
      "NOT_FOUND",
      `product_id: product "${productId}" ${why}`,
    ]);
  });

  test.each(["before the call", "in the middle of the call"])(
    "a profile store that becomes unavailable %s costs popularity alone, and the answer says so",
    async (when) => {
      const { client, gates } = await startShop();
      // The most popular products are remembered for a moment.
      if (when !== "before the call") await client.similarProducts({ productId: "shirt-s" });
      gates.reads.unavailable = true;
      gates.popularity.unavailable = true;
      const answer = await client.similarProducts({ productId: "shirt-s", includeVariants: true });
      expect(idsOf(answer)).toEqual(["shirt-m", "blouse-m", "blouse-s", "sock", "bare"]);
      expect(answer.items.map(({ parts }) => parts!.popularity)).toEqual([0, 0, 0, 0, 0]);
      expect(answer.degradationReasons).toEqual([DegradationReason.PROFILE_STORE_UNAVAILABLE]);
    },
  );
});
