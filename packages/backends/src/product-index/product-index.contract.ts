import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { mulberry32 } from "@marquetry/model/vectors/random";
import type { PointPayload } from "./payload.js";
import { LIMIT_MAX } from "./product-index.js";
import type {
  CollectionSpec,
  FoundPoint,
  Point,
  PointFilter,
  ProductIndex,
} from "./product-index.js";

/** The guarantees of the port as tests, the same for every implementation. */
export function describeProductIndex(name: string, open: () => ProductIndex): void {
  describe(name, () => {
    let index: ProductIndex;
    const created: string[] = [];

    beforeAll(async () => {
      index = open();
      await index.ping();
    });

    afterEach(async () => {
      await Promise.all(created.splice(0).map((collection) => index.dropCollection(collection)));
    });

    afterAll(() => index.close());

    function uniqueName(): string {
      const unique = `contract-${randomUUID()}`;
      created.push(unique);
      return unique;
    }

    async function newCollection(vectors = VECTORS): Promise<string> {
      const collection = uniqueName();
      await index.ensureCollection({ name: collection, vectors });
      return collection;
    }

    async function stored(collection: string, productId: string): Promise<Point | undefined> {
      const found = await index.retrieve(collection, [productId], Object.keys(VECTORS));
      return found.get(productId);
    }

    async function foundBy(collection: string, filter: PointFilter): Promise<string[]> {
      const [queried, scanned, counted] = await Promise.all([
        index.query(collection, { vector: f32(1, 0, 0, 0), using: "fused", limit: 100, filter }),
        index.scan(collection, { orderBy: "availableFromMs", limit: 100, filter }),
        index.count(collection, filter),
      ]);
      const ids = idsOf(queried).sort();
      expect(idsOf(scanned).sort()).toEqual(ids);
      expect(counted).toBe(ids.length);
      return ids;
    }

    describe("order of writes", () => {
      test("a late revision never overwrites a newer one", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [point("p", { revision: 7, title: "newer" })]);
        await index.upsert(collection, [point("p", { revision: 6, title: "late" })]);
        expect((await stored(collection, "p"))?.payload).toMatchObject({
          revision: 7,
          title: "newer",
        });
      });

      test("an equal revision replaces the point", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [point("p", { revision: 7, title: "first" })]);
        await index.upsert(collection, [point("p", { revision: 7, title: "second" })]);
        expect((await stored(collection, "p"))?.payload.title).toBe("second");
      });

      test("revisions are told apart up to 2^53 - 1", async () => {
        const collection = await newCollection();
        const last = Number.MAX_SAFE_INTEGER;
        await index.upsert(collection, [point("p", { revision: last, title: "last" })]);
        await index.upsert(collection, [point("p", { revision: last - 1, title: "late" })]);
        expect((await stored(collection, "p"))?.payload).toMatchObject({
          revision: last,
          title: "last",
        });
      });

      test("a write replaces the whole point, vectors and optional keys with it", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [
          point("p", { revision: 1, price: 5 }, { fused: f32(1, 2, 3, 4), text: f32(5, 6) }),
        ]);
        await index.upsert(collection, [
          point("p", { revision: 2, encoders: {} }, { text: f32(7, 8) }),
        ]);
        const after = await stored(collection, "p");
        expect(Object.keys(after?.vectors ?? {})).toEqual(["text"]);
        expect(Array.from(after?.vectors["text"] ?? [])).toEqual([7, 8]);
        expect(after?.payload.price).toBeUndefined();
        expect(after?.payload.encoders).toEqual({});
        const query = { vector: f32(1, 0, 0, 0), using: "fused", limit: 1 };
        expect(await index.query(collection, query)).toEqual([]);
      });

      test("each point of a batch has its own guard", async () => {
        const collection = await newCollection();
        const before = [1, 5, 9].map((revision) =>
          point(`r${revision}`, { revision, title: "before" }),
        );
        await index.upsert(collection, before);
        await index.upsert(collection, [
          point("r1", { revision: 4, title: "after" }),
          point("r5", { revision: 4, title: "after" }),
          point("r9", { revision: 10, title: "after" }),
          point("new", { revision: 4, title: "after" }),
        ]);
        const found = await index.retrieve(collection, ["r1", "r5", "r9", "new"], []);
        const titles = Object.fromEntries(Array.from(found, ([id, p]) => [id, p.payload.title]));
        expect(titles).toEqual({ r1: "after", r5: "before", r9: "after", new: "after" });
      });

      test("writers in any order and at once leave the highest revision", async () => {
        const collection = await newCollection();
        const revisions = [4, 9, 2, 7, 1, 8, 3, 6, 5];
        await Promise.all(
          revisions.map((revision) => index.upsert(collection, [point("p", { revision })])),
        );
        expect((await stored(collection, "p"))?.payload.revision).toBe(9);
      });

      test("a point made from another version than the stored one is not written", async () => {
        const collection = await newCollection();
        const write = (title: string, version: number, replaces?: number) =>
          index.upsert(collection, [
            {
              ...point("p", { title, version }),
              ...(replaces === undefined ? {} : { replaces }),
            },
          ]);
        const title = async () => (await stored(collection, "p"))?.payload.title;
        const last = Number.MAX_SAFE_INTEGER;
        await write("first", last, 0);
        expect(await title()).toBe("first");
        await write("made from nothing", 8, 0);
        await write("made from another", 8, last - 1);
        expect(await title()).toBe("first");
        await write("made from the first", 8, last);
        expect(await title()).toBe("made from the first");
        await write("whatever is stored", 9);
        expect(await title()).toBe("whatever is stored");
      });

      test("a point without a version is replaced by what was made from none", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [point("p", { title: "old" })]);
        const next = point("p", { title: "made from another", version: 4 });
        await index.upsert(collection, [{ ...next, replaces: 3 }]);
        expect((await stored(collection, "p"))?.payload.title).toBe("old");
        await index.upsert(collection, [{ ...next, replaces: 0 }]);
        expect((await stored(collection, "p"))?.payload.version).toBe(4);
      });

      test("the version does not stand above the revision", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [point("p", { revision: 7, title: "newer", version: 3 })]);
        const late = point("p", { revision: 6, title: "late", version: 4 });
        await index.upsert(collection, [{ ...late, replaces: 3 }]);
        expect((await stored(collection, "p"))?.payload.title).toBe("newer");
      });

      test("of writers that made a point from the same one at once, one wins", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [point("p", { version: 1 })]);
        const versions = [2, 3, 4, 5, 6, 7];
        await Promise.all(
          versions.map((version) =>
            index.upsert(collection, [{ ...point("p", { version }), replaces: 1 }]),
          ),
        );
        const first = (await stored(collection, "p"))?.payload.version;
        expect(versions).toContain(first);
        await index.upsert(collection, [{ ...point("p", { version: 8 }), replaces: 1 }]);
        expect((await stored(collection, "p"))?.payload.version).toBe(first);
      });

      test("more points than one request holds are all written, mixed revisions or one", async () => {
        const collection = await newCollection();
        const points = Array.from({ length: 1_300 }, (_, i) =>
          point(`p${i}`, { revision: i < 900 ? 1 : i, availableFromMs: i }),
        );
        await index.upsert(collection, points);
        expect(await index.count(collection)).toBe(1_300);
        const found = await index.retrieve(collection, points.map(idOf), ["fused"]);
        expect(found.size).toBe(1_300);
        expect(found.get("p1299")?.payload.revision).toBe(1_299);
      });

      test("writing nothing and asking for nothing is fine", async () => {
        const collection = await newCollection();
        await index.upsert(collection, []);
        expect((await index.retrieve(collection, [], ["fused"])).size).toBe(0);
      });
    });

    describe("tombstones", () => {
      test("a removed product is retrieved, but not queried, scanned or counted", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [point("kept"), point("gone", { revision: 1 })]);
        await index.upsert(collection, [point("gone", { revision: 2, removed: true }, {})]);
        expect(await foundBy(collection, {})).toEqual(["kept"]);
        expect(await foundBy(collection, { productIdsAny: ["gone"] })).toEqual([]);
        const tombstone = await stored(collection, "gone");
        expect(tombstone?.payload).toMatchObject({ removed: true, revision: 2 });
        expect(tombstone?.vectors).toEqual({});
      });

      test("a late write does not bring a removed product back, a later one does", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [point("p", { revision: 5, removed: true }, {})]);
        await index.upsert(collection, [point("p", { revision: 4 })]);
        expect(await foundBy(collection, {})).toEqual([]);
        await index.upsert(collection, [point("p", { revision: 6 })]);
        expect(await foundBy(collection, {})).toEqual(["p"]);
      });
    });

    describe("what is stored", () => {
      test("vectors come back bit for bit and unnormalised", async () => {
        const collection = await newCollection();
        const fused = f32(1.401298464324817e-45, -3.4028234663852886e38, 0.1, 1 / 3);
        const text = f32(16777217, -1.1754943508222875e-38);
        await index.upsert(collection, [point("p", {}, { fused, text })]);
        const after = await stored(collection, "p");
        expect(bitsOf(after?.vectors["fused"])).toEqual(bitsOf(fused));
        expect(bitsOf(after?.vectors["text"])).toEqual(bitsOf(text));
      });

      test("only the requested vectors come along", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [
          point("p", {}, { fused: f32(1, 0, 0, 0), text: f32(1, 2) }),
        ]);
        const query = { vector: f32(1, 0, 0, 0), using: "fused", limit: 1 };
        const [bare] = await index.query(collection, query);
        const [full] = await index.query(collection, { ...query, vectors: ["text"] });
        expect(bare?.vectors).toEqual({});
        expect(Object.keys(full?.vectors ?? {})).toEqual(["text"]);
        expect((await index.retrieve(collection, ["p"], [])).get("p")?.vectors).toEqual({});
      });

      test("every payload field comes back as written", async () => {
        const collection = await newCollection();
        const payload = payloadOf("p", {
          revision: 1_732_000_000_123_456,
          title: "Überzug „Größe 5“ 🧦",
          categories: ["Women", "Women/Bottoms", "Women/Bottoms/Pants"],
          price: 19.99,
          availability: "preorder",
          availableFromMs: -86_400_000,
          modalities: ["image", "text"],
          encoders: { text: { encoder: "minilm@1", digest: "sha256:ab" } },
          version: 9_007_199_254_740_991,
          removedRevision: 3,
          outcomes: {
            text: { revision: 5, outcome: "encoded", encoder: "e", digest: "d", vectorDigest: 7 },
            image: { revision: 4, outcome: "failed" },
          },
        });
        await index.upsert(collection, [{ payload, vectors: {} }]);
        expect((await stored(collection, "p"))?.payload).toEqual(payload);
      });

      test("searches bring what products are ordered and shown by, and no more", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [point("p")]);
        const { productId, title, groupId, modalities, availableFromMs } = payloadOf("p");
        const payload = { productId, title, groupId, modalities, availableFromMs };
        const query = { vector: f32(1, 0, 0, 0), using: "fused", limit: 1 };
        expect(await index.query(collection, query)).toEqual([{ payload, vectors: {}, score: 1 }]);
        const scan = { orderBy: "availableFromMs", limit: 1 } as const;
        expect(await index.scan(collection, scan)).toEqual([{ payload, vectors: {} }]);
      });

      test("what was handed in or out can be changed without changing what is stored", async () => {
        const collection = await newCollection();
        const fused = f32(1, 2, 3, 4);
        const categories = ["Women"];
        await index.upsert(collection, [point("p", { categories }, { fused })]);
        fused.fill(0);
        categories.push("Men");
        const first = await stored(collection, "p");
        first?.vectors["fused"]?.fill(0);
        const second = await stored(collection, "p");
        expect(Array.from(second?.vectors["fused"] ?? [])).toEqual([1, 2, 3, 4]);
        expect(second?.payload.categories).toEqual(["Women"]);
      });

      test("product ids of any text name distinct products", async () => {
        const collection = await newCollection();
        const ids = [
          "a/b",
          "a%2Fb",
          "A/B",
          " ",
          "日本語-🧦",
          "é",
          "e\u0301",
          "x".repeat(256),
          "0",
          "00",
        ];
        await index.upsert(
          collection,
          ids.map((id) => point(id)),
        );
        const found = await index.retrieve(collection, [...ids, "unknown"], []);
        expect([...found.keys()].sort()).toEqual([...ids].sort());
        expect(await foundBy(collection, { productIdsAny: ids })).toEqual([...ids].sort());
      });
    });

    describe("query", () => {
      test("the highest dot products come first, with their scores", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [
          point("long", {}, { fused: f32(10, 10, 0, 0) }),
          point("aligned", {}, { fused: f32(1, 0, 0, 0) }),
          point("opposite", {}, { fused: f32(-1, 0, 0, 0) }),
          point("without", {}, { text: f32(1, 1) }),
        ]);
        const found = await index.query(collection, {
          vector: f32(0.5, 0, 0, 0),
          using: "fused",
          limit: 10,
        });
        expect(idsOf(found)).toEqual(["long", "aligned", "opposite"]);
        for (const [i, score] of [5, 0.5, -0.5].entries()) {
          expect(found[i]?.score).toBeCloseTo(score, 5);
        }
      });

      test("the limit keeps the best, as a full sort of random vectors tells", async () => {
        const collection = await newCollection();
        const random = seededNumbers(1);
        const points = Array.from({ length: 600 }, (_, i) =>
          point(`p${i}`, {}, { fused: f32(random(), random(), random(), random()) }),
        );
        await index.upsert(collection, points);
        const vector = f32(random(), random(), random(), random());
        const scored = points.map((p) => ({
          id: idOf(p),
          score: dotOf(p.vectors["fused"]!, vector),
        }));
        const expected = scored.sort((a, b) => b.score - a.score).slice(0, 25);
        const found = await index.query(collection, { vector, using: "fused", limit: 25 });
        expect(idsOf(found)).toEqual(expected.map(({ id }) => id));
      });

      test("equal scores come in ascending order of product id", async () => {
        const collection = await newCollection();
        const ids = ["c", "a", "B", "é", "b", "10", "9"];
        await index.upsert(
          collection,
          ids.map((id) => point(id)),
        );
        const found = await index.query(collection, {
          vector: f32(1, 0, 0, 0),
          using: "fused",
          limit: 100,
        });
        expect(idsOf(found)).toEqual(["10", "9", "B", "a", "b", "c", "é"]);
      });

      test("a vector that is not searchable can be queried too", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [
          point("far", {}, { text: f32(0, 1) }),
          point("near", {}, { text: f32(1, 0) }),
        ]);
        const found = await index.query(collection, { vector: f32(1, 0), using: "text", limit: 1 });
        expect(idsOf(found)).toEqual(["near"]);
      });
    });

    describe("scan", () => {
      test("the latest come first, ties by ascending product id, up to the limit", async () => {
        const collection = await newCollection();
        const times = { a: 5, d: 1_732_406_400_000, c: 1_732_406_400_000, b: -3, e: 7 };
        await index.upsert(
          collection,
          Object.entries(times).map(([id, availableFromMs]) => point(id, { availableFromMs })),
        );
        const scan = { orderBy: "availableFromMs", limit: 4 } as const;
        expect(idsOf(await index.scan(collection, scan))).toEqual(["c", "d", "e", "a"]);
      });
    });

    describe("pages", () => {
      test("bring every live point exactly once, with the requested vectors", async () => {
        const collection = await newCollection();
        const ids = Array.from({ length: 23 }, (_, i) => `p${i}`);
        await index.upsert(
          collection,
          ids.map((id, i) => point(id, {}, { fused: f32(1, 0, 0, i), text: f32(i, 1) })),
        );
        await index.upsert(collection, [point("p7", { revision: 9, removed: true }, {})]);
        const found: Point[] = [];
        for (let after: string | undefined, pages = 0; pages < 9; pages += 1) {
          const page = await index.page(collection, {
            limit: 5,
            vectors: ["text"],
            ...(after !== undefined && { after }),
          });
          expect(page.points.length).toBeLessThanOrEqual(5);
          found.push(...page.points);
          after = page.next;
          if (after === undefined) break;
        }
        expect(idsOf(found).sort()).toEqual(ids.filter((id) => id !== "p7").sort());
        for (const { payload, vectors } of found) {
          expect(Object.keys(vectors)).toEqual(["text"]);
          expect(Array.from(vectors["text"]!)).toEqual([Number(payload.productId.slice(1)), 1]);
        }
      });

      test("of an empty collection is one without points", async () => {
        const collection = await newCollection();
        const page = await index.page(collection, { limit: 5, vectors: [] });
        expect(page).toEqual({ points: [] });
      });

      test("are refused where the cursor is none of theirs or the collection is unknown", async () => {
        const collection = await newCollection();
        const request = { limit: 5, vectors: [] };
        await expect(index.page(collection, { ...request, after: "7" })).rejects.toMatchObject({
          code: "invalid",
        });
        await expect(index.page(uniqueName(), request)).rejects.toMatchObject(NOT_FOUND);
      });
    });

    describe("filters", () => {
      let shop: string; // only read, so one serves all of these

      beforeAll(async () => {
        shop = `contract-${randomUUID()}`;
        await index.ensureCollection({ name: shop, vectors: VECTORS });
        const pants = ["Women", "Women/Bottoms", "Women/Bottoms/Pants"];
        const tees = ["Men", "Men/Tops", "Sale"];
        await index.upsert(shop, [
          point("pants-10", { categories: pants, brand: "Ayu", price: 10, groupId: "pants" }),
          point("pants-20", {
            categories: pants,
            brand: "Bo",
            price: 20,
            availability: "preorder",
          }),
          point("tee-20", {
            categories: tees,
            brand: "Ayu",
            price: 20,
            availability: "out-of-stock",
          }),
          point("tee-free", { categories: tees, brand: "Bo" }),
        ]);
      });

      afterAll(() => index.dropCollection(shop));

      const all = ["pants-10", "pants-20", "tee-20", "tee-free"];
      test.each<[string, PointFilter, string[]]>([
        ["no condition passes all", {}, all],
        [
          "any category, at any level",
          { categoriesAny: ["Women/Bottoms"] },
          ["pants-10", "pants-20"],
        ],
        ["one of several categories", { categoriesAny: ["Sale", "Women/Bottoms/Pants"] }, all],
        ["a part of a category name is none", { categoriesAny: ["Bottoms"] }, []],
        ["a brand", { brandsAny: ["Ayu"] }, ["pants-10", "tee-20"]],
        ["an unknown brand", { brandsAny: ["ayu"] }, []],
        ["a price range, both ends in it", { priceMin: 10, priceMax: 20 }, all.slice(0, 3)],
        ["a lowest price", { priceMin: 10.01 }, ["pants-20", "tee-20"]],
        ["a highest price never passes what has none", { priceMax: 19.99 }, ["pants-10"]],
        [
          "availability",
          { availabilityAny: ["in-stock", "preorder"] },
          ["pants-10", "pants-20", "tee-free"],
        ],
        ["these ids only", { productIdsAny: ["tee-20", "unknown"] }, ["tee-20"]],
        [
          "all but these ids",
          { productIdsNone: ["tee-20", "unknown"] },
          ["pants-10", "pants-20", "tee-free"],
        ],
        ["all but these groups", { groupIdsNone: ["pants", "unknown"] }, all.slice(1)],
        ["an empty list of excluded groups excludes nothing", { groupIdsNone: [] }, all],
        ["nothing passes an empty list of categories", { categoriesAny: [] }, []],
        ["nothing passes an empty list of brands", { brandsAny: [] }, []],
        ["nothing passes an empty list of availabilities", { availabilityAny: [] }, []],
        ["nothing passes an empty list of ids", { productIdsAny: [] }, []],
        ["an empty list of excluded ids excludes nothing", { productIdsNone: [] }, all],
        [
          "all conditions must hold",
          {
            categoriesAny: ["Women"],
            brandsAny: ["Bo", "Ayu"],
            priceMin: 5,
            priceMax: 15,
            availabilityAny: ["in-stock"],
            productIdsAny: all,
            productIdsNone: ["pants-20"],
          },
          ["pants-10"],
        ],
        [
          "conditions that no product joins",
          { categoriesAny: ["Women"], availabilityAny: ["out-of-stock"] },
          [],
        ],
      ])("%s", async (_, filter, expected) => {
        expect(await foundBy(shop, filter)).toEqual(expected);
      });

      test("thousands of ids can be excluded", async () => {
        const productIdsNone = Array.from({ length: 3_000 }, (_, i) => `seen-${i}`).concat(
          "tee-20",
        );
        expect(await foundBy(shop, { productIdsNone })).toEqual([
          "pants-10",
          "pants-20",
          "tee-free",
        ]);
      });
    });

    describe("collections", () => {
      test("ensuring a collection again keeps what is in it", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [point("p")]);
        await index.ensureCollection({ name: collection, vectors: VECTORS });
        expect(await index.count(collection)).toBe(1);
      });

      test("several may ensure one collection at once", async () => {
        const spec = { name: uniqueName(), vectors: VECTORS };
        await Promise.all(Array.from({ length: 4 }, () => index.ensureCollection(spec)));
        await index.upsert(spec.name, [point("p", { price: 3 })]);
        expect(await foundBy(spec.name, { priceMax: 3 })).toEqual(["p"]);
      });

      test.each<[string, CollectionSpec["vectors"]]>([
        ["another size", { ...VECTORS, fused: { size: 5, searchable: true } }],
        ["one vector more", { ...VECTORS, image: { size: 4, searchable: false } }],
        ["one vector less", { fused: VECTORS["fused"]! }],
        ["a graph where there is none", { ...VECTORS, text: { size: 2, searchable: true } }],
      ])("a collection that exists with %s is refused", async (_, vectors) => {
        const name = await newCollection();
        await expect(index.ensureCollection({ name, vectors })).rejects.toMatchObject(INVALID);
      });

      test("a dropped collection is gone", async () => {
        const collection = await newCollection();
        await index.dropCollection(collection);
        await index.dropCollection(collection);
        await expect(index.count(collection)).rejects.toMatchObject(NOT_FOUND);
        await index.ensureCollection({ name: collection, vectors: VECTORS });
        expect(await index.count(collection)).toBe(0);
      });
    });

    describe("refusals", () => {
      test("an unknown collection is not found", async () => {
        const unknown = uniqueName();
        const vector = f32(1, 0, 0, 0);
        const calls = [
          index.upsert(unknown, [point("p")]),
          index.retrieve(unknown, ["p"], []),
          index.query(unknown, { vector, using: "fused", limit: 1 }),
          index.scan(unknown, { orderBy: "availableFromMs", limit: 1 }),
          index.count(unknown),
        ];
        for (const call of await Promise.allSettled(calls)) {
          expect(call).toMatchObject({ status: "rejected", reason: NOT_FOUND });
        }
      });

      test.each<[string, Point]>([
        ["an unknown vector name", point("p", {}, { fussed: f32(1, 2, 3, 4) })],
        ["too few dimensions", point("p", {}, { fused: f32(1, 2, 3) })],
        ["too many dimensions", point("p", {}, { fused: f32(1, 2, 3, 4, 5) })],
        ["no dimensions", point("p", {}, { fused: f32() })],
        ["not a number in a vector", point("p", {}, { fused: f32(1, NaN, 3, 4) })],
        ["infinity in a vector", point("p", {}, { fused: f32(1, Infinity, 3, 4) })],
        ["a revision beyond 2^53 - 1", point("p", { revision: 2 ** 53 })],
        ["a time that is not whole", point("p", { availableFromMs: 0.5 })],
        ["a price that is not a number", point("p", { price: NaN })],
        ["an empty product id", point("")],
        ["half a surrogate pair as a product id", point("\ud83e")],
      ])("a point with %s is invalid", async (_, wrong) => {
        const collection = await newCollection();
        await expect(index.upsert(collection, [wrong])).rejects.toMatchObject(INVALID);
        expect(await index.count(collection)).toBe(0);
      });

      test("a product that stands twice in one write is invalid", async () => {
        const collection = await newCollection();
        const twice = [point("p", { revision: 1 }), point("p", { revision: 2 })];
        await expect(index.upsert(collection, twice)).rejects.toMatchObject(INVALID);
      });

      test("a query that cannot be meant is invalid", async () => {
        const collection = await newCollection();
        await index.upsert(collection, [point("p")]);
        const query = { vector: f32(1, 0, 0, 0), using: "fused", limit: 1 };
        const wrong = [
          { ...query, using: "fussed" },
          { ...query, vector: f32(1, 0, 0) },
          { ...query, vector: f32(1, 0, 0, NaN) },
          { ...query, limit: 0 },
          { ...query, limit: 1.5 },
          { ...query, limit: LIMIT_MAX + 1 },
          { ...query, filter: { priceMin: NaN } },
          { ...query, vectors: ["fussed"] },
        ];
        const calls = await Promise.allSettled([
          ...wrong.map((each) => index.query(collection, each)),
          index.scan(collection, { orderBy: "availableFromMs", limit: 0 }),
          index.count(collection, { priceMax: Infinity }),
          index.retrieve(collection, ["p"], ["fussed"]),
        ]);
        for (const call of calls) {
          expect(call).toMatchObject({ status: "rejected", reason: INVALID });
        }
      });

      test("a name that a server could not keep is invalid", async () => {
        for (const name of ["", "a/b", "a b", "é", "..", "x".repeat(201)]) {
          const calls = await Promise.allSettled([
            index.ensureCollection({ name, vectors: VECTORS }),
            index.dropCollection(name),
            index.count(name),
          ]);
          for (const call of calls) {
            expect(call).toMatchObject({ status: "rejected", reason: INVALID });
          }
        }
      });
    });
  });
}

const VECTORS: CollectionSpec["vectors"] = {
  fused: { size: 4, searchable: true },
  text: { size: 2, searchable: false },
};

const INVALID = { name: "MarquetryError", code: "invalid" };
const NOT_FOUND = { name: "MarquetryError", code: "not-found" };

function payloadOf(productId: string, some: Partial<PointPayload> = {}): PointPayload {
  return {
    productId,
    revision: 1,
    removed: false,
    title: `Product ${productId}`,
    categories: ["Women"],
    brand: "Ayu",
    currency: "EUR",
    availability: "in-stock",
    availableFromMs: 1_732_406_400_000,
    groupId: "group",
    modalities: ["text"],
    encoders: { text: { encoder: "minilm@1", digest: "sha256:00" } },
    ...some,
  };
}

function point(
  productId: string,
  some: Partial<PointPayload> = {},
  vectors: Point["vectors"] = { fused: f32(1, 0, 0, 0) },
): Point {
  return { payload: payloadOf(productId, some), vectors };
}

function f32(...values: number[]): Float32Array {
  return Float32Array.from(values);
}

function bitsOf(vector: Float32Array | undefined): number[] {
  if (vector === undefined) return [];
  return Array.from(new Uint32Array(vector.buffer, vector.byteOffset, vector.length));
}

function dotOf(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function idOf({ payload }: FoundPoint): string {
  return payload.productId;
}

function idsOf(points: readonly FoundPoint[]): string[] {
  return points.map(idOf);
}

/** Numbers in [-1, 1) that are the same in every run. */
function seededNumbers(seed: number): () => number {
  const uniform = mulberry32(seed);
  return () => 2 * uniform() - 1;
}
