/** Recommend over gRPC: order, degradation, filters, what was seen, groups. */
import { randomUUID } from "node:crypto";
import { describe, expect, jest, test } from "@jest/globals";
import { Availability } from "@marquetry/contracts/events/product_pb";
import {
  DegradationReason,
  Strategy,
} from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { RecommendRequest } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { Bundle } from "@marquetry/model/bundle";
import { fuse } from "@marquetry/model/fusion";
import { matrix } from "@marquetry/model/vectors/matrix";
import { similarity } from "@marquetry/model/similarity";
import type { SimilarityModel } from "@marquetry/model/similarity";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { PLANE, TOMORROW, direction, idsOf, product, startHarness } from "./harness.js";
import { refusal } from "./client.js";

const { UNKNOWN_USER, NO_INTEREST, PROFILE_STORE_UNAVAILABLE } = DegradationReason;
const { PERSONALISED, POPULAR_AND_FRESH } = Strategy;
const EAST = direction(0);

function weighing(weights: Partial<Bundle["ranking"]["weights"]>): Bundle {
  const { ranking } = PLANE;
  return { ...PLANE, ranking: { ...ranking, weights: { ...ranking.weights, ...weights } } };
}

describe("the order", () => {
  test("products come by score, which is the sum of its parts, from the bundle that is named", async () => {
    const { client, put, putUser, putPopularity, bundle } = await startHarness();
    await put(
      product("north", { degrees: 90, availableFromMs: TOMORROW }),
      product("east", { degrees: 0 }),
      product("west", { degrees: 180 }),
      product("north-east", { degrees: 45 }),
    );
    await putPopularity({ west: 7, "north-east": 3 });
    const answer = await client.recommend({ userId: await putUser(EAST) });
    expect(idsOf(answer)).toEqual(["east", "north-east", "north", "west"]);
    const parts = answer.items.map(({ parts: of }) => [
      of!.similarity,
      of!.popularity,
      of!.freshness,
    ]);
    const expected = [
      [1, 0, 0],
      [Math.SQRT1_2, (0.1 * Math.log(4)) / Math.log(8), 0],
      [0, 0, 0.05],
      [-1, 0.1, 0],
    ];
    for (const [at, each] of expected.entries()) {
      for (const [i, part] of each.entries()) expect(parts[at]![i]).toBeCloseTo(part, 5);
      expect(answer.items[at]!.score).toBeCloseTo(each[0]! + each[1]! + each[2]!, 5);
    }
    for (const { score, parts: of } of answer.items) {
      expect(score).toBe(of!.similarity + of!.popularity + of!.freshness);
    }
    expect(answer.items[0]!.title).toBe("The east");
    expect([answer.strategy, answer.degradationReasons]).toEqual([PERSONALISED, []]);
    expect(answer.bundleId).toBe(bundle.id);
  });

  test("equal scores come by id, whatever the order in which products came in", async () => {
    const { client, put, putUser } = await startHarness();
    for (const id of ["m", "z", "a", "B"]) await put(product(id, { degrees: 30 }));
    const userId = await putUser(EAST);
    expect(idsOf(await client.recommend({ userId }))).toEqual(["B", "a", "m", "z"]);
    expect(idsOf(await client.recommend({ userId: randomUUID() }))).toEqual(["B", "a", "m", "z"]);
  });

  test("popular and fresh products far beyond the nearest are scored whole", async () => {
    const bundle = weighing({ popularity: 3, freshness: 2 });
    const { client, put, putUser, putPopularity } = await startHarness({ bundle });
    const crowd = Array.from({ length: 150 }, (_, at) => product(`near-${at}`, { degrees: 0 }));
    const far = { degrees: 120 };
    await put(...crowd, product("hit", far), product("new", { ...far, availableFromMs: TOMORROW }));
    await put(product("zero-hit"), product("zero-new", { availableFromMs: TOMORROW }));
    await putPopularity({ hit: 20, "zero-hit": 10 });
    const { items } = await client.recommend({ userId: await putUser(EAST), limit: 5 });
    const rounded = items.map(({ productId, parts }) => [
      productId,
      Math.round(parts!.similarity * 1e4) / 1e4,
    ]);
    expect(rounded).toEqual([
      ["hit", -0.5],
      ["zero-hit", 0],
      ["zero-new", 0],
      ["new", -0.5],
      ["near-0", 1],
    ]);
    expect(items[0]!.score).toBeCloseTo(2.5, 3);
    expect(items[3]!.score).toBeCloseTo(1.5, 5);
  });

  test("a user of two interests gets products near either first, one of a blend what lies between", async () => {
    const { client, put, putUser } = await startHarness();
    const crowd = (name: string, degrees: number) =>
      Array.from({ length: 60 }, (_, n) => product(`${name}-${n}`, { degrees: degrees + n / 60 }));
    await put(...crowd("east", 0), ...crowd("north", 90), ...crowd("between", 44.5));
    const first = async (interests: readonly Float32Array[]) => {
      const userId = await putUser(interests);
      const { items } = await client.recommend({ userId, limit: 20 });
      return items.map(({ productId, parts }) => [
        productId.split("-")[0],
        Math.round(parts!.similarity * 100) / 100,
      ]);
    };
    const both = await first([EAST, direction(90)]);
    expect(both.filter(([kind]) => kind === "east").length).toBeGreaterThan(5);
    expect(both.filter(([kind]) => kind === "north").length).toBeGreaterThan(5);
    expect(both.every(([, similar]) => similar === 1)).toBe(true);
    const blend = await first([direction(45)]);
    expect(blend.every(([kind]) => kind === "between")).toBe(true);
  });

  test.each<[string, SimilarityModel]>([
    ["its dot product", { kind: "dot" }],
    ["its vector", { kind: "two-tower", normaliseOutput: true }],
  ])("however a product is found, it counts by the nearest interest, from %s", async (_, by) => {
    const bundle = { ...weighing({ popularity: 3, freshness: 2 }), similarity: by };
    const { client, put, putUser, putPopularity } = await startHarness({ bundle });
    const interests = [EAST, direction(90)];
    for (const [at, each] of [0, 89].entries()) {
      // More than are asked for, so that what is far from one interest is not found by it.
      await put(
        ...Array.from({ length: 150 }, (__, n) => product(`${at}-${n}`, { degrees: each })),
      );
    }
    await put(
      product("hit", { degrees: 120 }),
      product("new", { degrees: 60, availableFromMs: TOMORROW }),
      product("zero-hit"),
    );
    await putPopularity({ hit: 20, "zero-hit": 10 });
    const answered = async (vectors: readonly Float32Array[]) => {
      const { items } = await client.recommend({ userId: await putUser(vectors), limit: 5 });
      return items.map(({ productId, parts }) => [
        productId,
        Math.round(parts!.similarity * 1e4) / 1e4,
      ]);
    };
    const got = await answered(interests);
    const cosine30 = Math.round(Math.cos(Math.PI / 6) * 1e4) / 1e4;
    expect(got.slice(0, 3)).toEqual([
      ["hit", cosine30],
      ["new", cosine30],
      ["zero-hit", 0],
    ]);
    expect(await answered(interests.toReversed())).toEqual(got);
  });

  test("popularity is measured against the most popular product, also where a filter leaves that out", async () => {
    const { client, put, putPopularity } = await startHarness();
    await put(product("hit", { brand: "Other" }), product("liked", { brand: "Own" }));
    await putPopularity({ hit: 15, liked: 3 });
    const answer = await client.recommend({ userId: "nobody", filter: { brands: ["Own"] } });
    expect(idsOf(answer)).toEqual(["liked"]);
    expect(answer.items[0]!.score).toBeCloseTo(0.1 / 2, 4);
  });

  test("a product that nobody had is granted the bundle's floor of popularity, and no less popular one less", async () => {
    const plain = weighing({ popularity: 1, freshness: 0 });
    const bundle = { ...plain, ranking: { ...plain.ranking, popularityFloor: 0.5 } };
    const { client, put, putPopularity } = await startHarness({ bundle });
    await put(product("hit"), product("new"), product("rare"));
    await putPopularity({ hit: 15, rare: 1 });
    // An answer reads the store twice: popularity must not decay in between.
    const clock = jest.spyOn(Date, "now").mockReturnValue(Date.now());
    const answer = client.recommend({ userId: "nobody" });
    const { items } = await answer.finally(() => clock.mockRestore());
    expect(items.map(({ productId }) => productId)).toEqual(["hit", "new", "rare"]);
    expect(items.map(({ score }) => score)).toEqual([1, 0.5, 0.5]);
  });

  const LEARNED: Record<string, SimilarityModel> = {
    "two-tower": {
      kind: "two-tower",
      user: { weight: matrix(2, 4, Float32Array.of(1, 0, 2, 0, 0, 3, 0, -1)) },
      item: {
        weight: matrix(2, 4, Float32Array.of(0, 1, 0, 2, 1, 0, -1, 0)),
        bias: Float32Array.of(0.25, -0.5),
      },
      normaliseOutput: false,
    },
    "modality-adaptive": {
      kind: "modality-adaptive",
      modalities: {
        text: { bias: 0.5, user: direction(10), item: direction(200) },
        image: { bias: -1, item: Float32Array.of(2, -3) },
      },
    },
  };

  test.each(Object.keys(LEARNED))("a %s similarity is served as the model has it", async (kind) => {
    const encoders = {
      text: { encoder: "words", dims: 2 },
      image: { encoder: "looks", dims: 2 },
    };
    const bundle: Bundle = {
      ...(await zeroShotBundle(encoders, { dims: 2 })),
      similarity: LEARNED[kind]!,
    };
    const vectors = new Map(
      Array.from({ length: 12 }, (_, at) => {
        const text = { text: direction(at * 30) };
        const modalities = at % 3 === 0 ? text : { ...text, image: direction(at * at * 17) };
        return [`p${at}`, fuse(bundle.fusion, modalities)!];
      }),
    );
    const interest = fuse(bundle.fusion, { text: direction(20), image: direction(70) })!;
    const { client, put, putUser } = await startHarness({ bundle });
    for (const [id, vector] of vectors) await put(product(id, { vector, modalities: ["text"] }));
    const userId = await putUser(interest);
    const ofUser = await client.recommend({ userId, limit: 50 });
    const ofProduct = await client.similarProducts({ productId: "p1", limit: 50 });
    for (const [answer, from, count] of [
      [ofUser, interest, 12],
      [ofProduct, vectors.get("p1")!, 11],
    ] as const) {
      const expected = [...vectors]
        .filter(([id]) => count === 12 || id !== "p1")
        .map(([id, to]) => ({ id, score: similarity(bundle.similarity, bundle.fusion, from, to) }))
        .toSorted((a, b) => b.score - a.score);
      expect(idsOf(answer)).toEqual(expected.map(({ id }) => id));
      for (const [at, { score }] of expected.entries()) {
        expect(answer.items[at]!.parts!.similarity).toBeCloseTo(score, 6);
      }
    }
  });
});

describe("what is less than the best answer says why", () => {
  test("an unknown user gets popular and fresh products", async () => {
    const { client, put, putPopularity } = await startHarness();
    await put(product("hit"), product("new", { availableFromMs: TOMORROW }), product("old"));
    await putPopularity({ hit: 5 });
    const answer = await client.recommend({ userId: randomUUID() });
    expect(idsOf(answer)).toEqual(["hit", "new", "old"]);
    expect(answer.items.map(({ parts }) => parts!.similarity)).toEqual([0, 0, 0]);
    expect([answer.strategy, answer.degradationReasons]).toEqual([
      POPULAR_AND_FRESH,
      [UNKNOWN_USER],
    ]);
  });

  test("a user without an interest gets popular and fresh products", async () => {
    const { client, put, putUser } = await startHarness();
    await put(product("old"), product("new", { availableFromMs: TOMORROW }));
    const answer = await client.recommend({ userId: await putUser(undefined, ["gone"]) });
    expect(idsOf(answer)).toEqual(["new", "old"]);
    expect([answer.strategy, answer.degradationReasons]).toEqual([
      POPULAR_AND_FRESH,
      [NO_INTEREST],
    ]);
  });

  test("without the profile store fresh products are answered, and the user's own once it is back", async () => {
    const { client, gates, put, putUser } = await startHarness();
    await put(product("near", { degrees: 0 }), product("new", { availableFromMs: TOMORROW }));
    const userId = await putUser(EAST);
    gates.reads.unavailable = true;
    gates.popularity.unavailable = true;
    const without = await client.recommend({ userId, excludeSeen: true });
    expect(idsOf(without)).toEqual(["new", "near"]);
    expect([without.strategy, without.degradationReasons]).toEqual([
      POPULAR_AND_FRESH,
      [PROFILE_STORE_UNAVAILABLE],
    ]);
    gates.reads.unavailable = false;
    gates.popularity.unavailable = false;
    const back = await client.recommend({ userId });
    expect(idsOf(back)).toEqual(["near", "new"]);
    expect([back.strategy, back.degradationReasons]).toEqual([PERSONALISED, []]);
  });

  test("a profile store that becomes unavailable after the profile was read leaves a personal answer", async () => {
    const { client, gates, put, putUser } = await startHarness();
    await put(product("far", { degrees: 100 }), product("near", { degrees: 0 }));
    gates.popularity.unavailable = true;
    const answer = await client.recommend({ userId: await putUser(EAST) });
    expect(idsOf(answer)).toEqual(["near", "far"]);
    expect([answer.strategy, answer.degradationReasons]).toEqual([
      PERSONALISED,
      [PROFILE_STORE_UNAVAILABLE],
    ]);
  });

  test("without the index there is no answer, and there is one once it is back", async () => {
    const { client, gates, put, putUser } = await startHarness();
    await put(product("near", { degrees: 0 }));
    const userId = await putUser(EAST);
    gates.index.unavailable = true;
    expect(await refusal(client.recommend({ userId }))).toEqual([
      "UNAVAILABLE",
      "it does not answer",
    ]);
    expect((await refusal(client.similarProducts({ productId: "near" })))[0]).toBe("UNAVAILABLE");
    gates.index.unavailable = false;
    expect(idsOf(await client.recommend({ userId }))).toEqual(["near"]);
  });

  test("an empty catalogue is an empty answer; one that was never made is unavailable", async () => {
    const { client, putUser } = await startHarness();
    const answer = await client.recommend({ userId: await putUser(EAST) });
    expect([answer.items, answer.strategy]).toEqual([[], PERSONALISED]);
    expect((await client.recommend({ userId: "nobody" })).items).toEqual([]);
    const never = await startHarness({ collection: false });
    expect((await refusal(never.client.recommend({ userId: "nobody" })))[0]).toBe("UNAVAILABLE");
  });
});

const { IN_STOCK, OUT_OF_STOCK, PREORDER, UNSPECIFIED } = Availability;

describe("filters", () => {
  const SHELF = [
    product("a", {
      degrees: 0,
      categories: ["Women", "Women/Tops"],
      brand: "North",
      price: 10,
    }),
    product("b", {
      degrees: 10,
      categories: ["Women", "Women/Bottoms"],
      brand: "South",
      price: 20,
      availability: "out-of-stock",
    }),
    product("c", {
      degrees: 20,
      categories: ["Men", "Men/Tops"],
      brand: "North",
      price: 30,
      availability: "preorder",
    }),
    product("d", { degrees: 30, categories: ["Men", "Men/Shoes"], brand: "East" }),
  ];

  test.each<[string, string, NonNullable<Partial<RecommendRequest["filter"]>>]>([
    ["abcd", "no condition", {}],
    ["ab", "a category above", { categories: ["Women"] }],
    ["b", "a category", { categories: ["Women/Bottoms"] }],
    ["ad", "any of two categories", { categories: ["Men/Shoes", "Women/Tops"] }],
    ["ac", "a brand", { brands: ["North"] }],
    ["bd", "any of two brands", { brands: ["South", "East", "Nowhere"] }],
    ["", "a brand that no product has", { brands: ["Nowhere"] }],
    ["bc", "a lowest price, itself allowed", { priceMin: 20 }],
    ["ab", "a highest price, itself allowed", { priceMax: 20 }],
    ["b", "one price", { priceMin: 20, priceMax: 20 }],
    ["", "a price below all", { priceMax: 0 }],
    ["ad", "in stock", { availability: [IN_STOCK] }],
    ["bc", "any of two availabilities", { availability: [OUT_OF_STOCK, PREORDER] }],
    ["abcd", "an unspecified availability", { availability: [UNSPECIFIED] }],
    ["a", "category and brand", { categories: ["Women"], brands: ["North"] }],
    ["c", "brand and price", { brands: ["North"], priceMin: 11 }],
    [
      "a",
      "all at once",
      {
        categories: ["Women", "Men"],
        brands: ["North", "South"],
        priceMin: 5,
        priceMax: 25,
        availability: [IN_STOCK, PREORDER],
      },
    ],
  ])("only %j passes: %s", async (passing, _, filter) => {
    const { client, put, putUser, putPopularity } = await startHarness();
    await put(...SHELF);
    await putPopularity({ a: 1, b: 1, c: 1, d: 1 });
    const request = { filter: filter as RecommendRequest["filter"] & {} };
    const personal = await client.recommend({ ...request, userId: await putUser(EAST) });
    expect(idsOf(personal)).toEqual(passing.split(""));
    const general = await client.recommend({ ...request, userId: randomUUID() });
    expect(idsOf(general)).toEqual(passing.split(""));
    await put(product("like", { degrees: 0, categories: ["Other"], availability: "in-stock" }));
    const excludedProductIds = ["like"];
    const similar = await client.similarProducts({
      ...request,
      productId: "like",
      excludedProductIds,
    });
    expect(idsOf(similar)).toEqual(passing.split(""));
  });

  test.each([
    [{ categories: ["Hats"] }, 'filter.categories[0]: no product is in category "Hats"'],
    [{ categories: ["Men", "Hats"] }, 'filter.categories[1]: no product is in category "Hats"'],
    [{ categories: ["Men", "Men/"] }, 'filter.categories[1]: no product is in category "Men/"'],
    [{ priceMin: 2, priceMax: 1 }, "filter.price_min: must not be above price_max"],
    [{ priceMin: -1 }, expect.stringMatching(/^filter\.price_min: /)],
    [{ priceMax: Number.NaN }, expect.stringMatching(/^filter\.price_max: /)],
    [{ availability: [17 as never] }, expect.stringMatching(/^filter\.availability\[0\]: /)],
  ])("%j is refused by its field", async (filter, why) => {
    const { client, put, putUser } = await startHarness();
    await put(...SHELF);
    const userId = await putUser(EAST);
    expect(await refusal(client.recommend({ userId, filter }))).toEqual(["INVALID_ARGUMENT", why]);
    expect(await refusal(client.similarProducts({ productId: "a", filter }))).toEqual([
      "INVALID_ARGUMENT",
      why,
    ]);
  });

  test("a category that comes up later is known at once", async () => {
    const { client, put } = await startHarness();
    const request = { userId: "nobody", filter: { categories: ["Hats"] } };
    expect((await refusal(client.recommend(request)))[0]).toBe("INVALID_ARGUMENT");
    await put(product("hat", { categories: ["Hats"] }));
    expect(idsOf(await client.recommend(request))).toEqual(["hat"]);
  });

  test.each([0, 201, 10_000])("a limit of %i is refused", async (limit) => {
    const { client } = await startHarness();
    for (const call of [
      client.recommend({ userId: "nobody", limit }),
      client.similarProducts({ productId: "a", limit }),
    ]) {
      expect(await refusal(call)).toEqual(["INVALID_ARGUMENT", expect.stringMatching(/^limit: /)]);
    }
  });

  test("the limit cuts the end of the order, also at its highest", async () => {
    const { client, put, putUser } = await startHarness();
    const ids = Array.from({ length: 250 }, (_, at) => `p${String(at).padStart(3, "0")}`);
    await put(...ids.map((id, at) => product(id, { degrees: at / 2 })));
    for (const userId of [await putUser(EAST), "nobody"]) {
      for (const limit of [1, 200]) {
        expect(idsOf(await client.recommend({ userId, limit }))).toEqual(ids.slice(0, limit));
      }
    }
  });
});

describe("what is left out", () => {
  test("excluded and removed products are never answered, popular and fresh as they may be", async () => {
    const { client, put, putUser, putPopularity } = await startHarness();
    const fresh = { degrees: 0, availableFromMs: TOMORROW };
    await put(product("out", fresh), product("gone", fresh), product("left", { degrees: 90 }));
    await put(product("gone", { revision: 2, removed: true, availableFromMs: TOMORROW }));
    await putPopularity({ out: 9, gone: 9 });
    const request = { excludedProductIds: ["out", "out", "never-there"] };
    expect(idsOf(await client.recommend({ ...request, userId: await putUser(EAST) }))).toEqual([
      "left",
    ]);
    expect(idsOf(await client.recommend({ ...request, userId: "nobody" }))).toEqual(["left"]);
    expect(idsOf(await client.similarProducts({ ...request, productId: "left" }))).toEqual([]);
  });

  test("seen products are left out with their variants, and without them where variants are included", async () => {
    const { client, put, putUser, putPopularity } = await startHarness();
    await put(
      product("shirt-red", { degrees: 0, groupId: "shirt" }),
      product("shirt-blue", { degrees: 1, groupId: "shirt", availableFromMs: TOMORROW }),
      product("lamp", { degrees: 50 }),
      product("bed", { degrees: 60 }),
      product("cup-old", { revision: 2, removed: true, groupId: "cup" }),
      product("cup-new", { degrees: 70, groupId: "cup" }),
    );
    await putPopularity({ "shirt-red": 2, "shirt-blue": 2, lamp: 2 });
    const seen = ["shirt-red", "lamp", "lamp", "never-there", "cup-old"];
    const userId = await putUser(EAST, seen);
    const bare = await putUser(undefined, seen);
    const unseen = async (request: object) => {
      const answer = await client.recommend({ userId, excludeSeen: true, ...request });
      return idsOf(answer);
    };
    expect(await unseen({})).toEqual(["bed"]);
    expect(await unseen({ userId: bare })).toEqual(["bed"]);
    expect(await unseen({ includeVariants: true })).toEqual(["shirt-blue", "bed", "cup-new"]);
    expect(await unseen({ excludedProductIds: ["bed"] })).toEqual([]);
    expect(await unseen({ excludeSeen: false })).toEqual(["shirt-blue", "lamp", "bed", "cup-new"]);
  });
});

describe("groups", () => {
  test("one product of a group is answered, its best, or every variant on request", async () => {
    const { client, put, putUser } = await startHarness();
    await put(
      product("red", { degrees: 40, groupId: "shirt" }),
      product("blue", { degrees: 20, groupId: "shirt" }),
      product("lamp", { degrees: 30 }),
    );
    const userId = await putUser(EAST);
    expect(idsOf(await client.recommend({ userId }))).toEqual(["blue", "lamp"]);
    const all = await client.recommend({ userId, includeVariants: true });
    expect(idsOf(all)).toEqual(["blue", "lamp", "red"]);
  });

  // The rest of the shelf is far, old and unpopular: no other way leads to it.
  test("groups that are larger than the candidates still leave the limit filled", async () => {
    const { client, put, putUser, putPopularity } = await startHarness();
    for (const [group, degrees, length] of [
      ["shirt", 0, 4_500],
      ["shoe", 10, 450],
    ] as const) {
      const variants = Array.from({ length }, (_, at) =>
        product(`${group}-${String(at).padStart(4, "0")}`, {
          degrees,
          groupId: group,
          availableFromMs: TOMORROW,
        }),
      );
      await put(...variants);
    }
    const rest = ["a", "b", "c", "d"].map((id, at) => product(id, { degrees: 80 + at }));
    await put(...rest);
    await putPopularity({ "shirt-0000": 1 });
    const expected = ["shirt-0000", "shoe-0000", "a", "b", "c"];
    for (const userId of [await putUser(EAST), "nobody"]) {
      expect(idsOf(await client.recommend({ userId, limit: 5 }))).toEqual(expected);
    }
    const similar = await client.similarProducts({ productId: "shirt-0007", limit: 4 });
    expect(idsOf(similar)).toEqual(["shoe-0000", "a", "b", "c"]);
  });
});
