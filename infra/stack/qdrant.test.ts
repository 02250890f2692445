/** The development index, as Qdrant's own client sees it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { newFolder, removeFolders } from "@marquetry/testing/folders";
import { runsWith } from "@marquetry/testing/requirement";
import { QdrantClient } from "@qdrant/js-client-rest";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stackCacheDirectory } from "./config.js";
import type { StackOptions } from "./options.js";
import { prerequisitePlaces } from "./prerequisites.js";
import { awaitReady, startProcess, stopProcess } from "./processes.js";
import type { Server } from "./processes.js";
import { qdrantServer } from "./qdrant.js";
import { freePorts } from "./stack.js";

const { python } = prerequisitePlaces(stackCacheDirectory(process.env));
// On CI a missing environment fails the suite in beforeAll; elsewhere it is skipped, audibly.
const available = runsWith(
  existsSync(python),
  "Qdrant's engine is not installed (npm run stack:up does it)",
);

const FIRST = "00000000-0000-8000-8000-000000000001";
const SECOND = "00000000-0000-8000-8000-000000000002";
const THIRD = "00000000-0000-8000-8000-000000000003";

const VECTORS = {
  fused: { size: 2, distance: "Dot" },
  text: { size: 3, distance: "Dot", on_disk: true, hnsw_config: { m: 0 } },
} as const;

const INDEXES = {
  revision: "integer",
  removed: "bool",
  brand: "keyword",
  price: "float",
  born_ms: "integer",
} as const;

(available ? describe : describe.skip)("the development index", () => {
  let directory: string;
  let options: StackOptions;
  let server: Server;
  let client: QdrantClient;
  let collection: string;
  let collections = 0;

  async function start(): Promise<void> {
    await startProcess(server);
    await awaitReady(server, 30_000);
  }

  beforeAll(async () => {
    directory = await newFolder();
    const ports = await freePorts();
    const cacheDirectory = stackCacheDirectory(process.env);
    options = { directory, cacheDirectory, ports, engine: "host", report() {} };
    server = qdrantServer(options, python);
    await start();
    const url = `http://127.0.0.1:${ports.qdrant}`;
    client = new QdrantClient({ url, timeout: 10_000, checkCompatibility: false });
  }, 60_000);

  afterAll(async () => {
    await stopProcess(server, "SIGTERM", 10_000);
    await removeFolders();
  });

  beforeEach(async () => {
    collections += 1;
    collection = `products-${collections}`;
    await client.createCollection(collection, { vectors: VECTORS });
    for (const [field_name, field_schema] of Object.entries(INDEXES)) {
      await client.createPayloadIndex(collection, { field_name, field_schema, wait: true });
    }
  });

  /** Writes as the adapter does: only where no higher revision is stored. */
  async function write(
    ...points: { id: string; revision: number; vector?: number[]; payload?: object }[]
  ) {
    const operations = points.map(({ id, revision, vector, payload }) => ({
      upsert: {
        points: [
          { id, vector: vector ? { fused: vector } : {}, payload: { revision, ...payload } },
        ],
        update_filter: { must_not: [{ key: "revision", range: { gt: revision } }] },
      },
    }));
    return client.batchUpdate(collection, { operations, wait: true, ordering: "strong" });
  }

  async function threeProducts(): Promise<void> {
    await write(
      {
        id: FIRST,
        revision: 1,
        vector: [1, 0],
        payload: { removed: false, brand: "Acme", price: 10.5, born_ms: 3 },
      },
      {
        id: SECOND,
        revision: 1,
        vector: [2, 0],
        payload: { removed: false, brand: "Bolt", price: 20, born_ms: 9 },
      },
      {
        id: THIRD,
        revision: 1,
        vector: [3, 0],
        payload: { removed: true, brand: "Acme", born_ms: 5 },
      },
    );
  }

  async function found(filter: object): Promise<(string | number)[]> {
    const request = { query: [1, 0], using: "fused", limit: 10, params: { exact: true }, filter };
    const { points } = await client.query(collection, request);
    return points.map((point) => point.id);
  }

  async function refusalOf(call: Promise<unknown>): Promise<{ status: number; error: string }> {
    const outcome = await call.then(
      () => undefined,
      (error: unknown) => error,
    );
    const { status, data } = outcome as { status: number; data: { status: { error: string } } };
    return { status, error: data.status.error };
  }

  test("a collection shows what it was created with, and is gone after its deletion", async () => {
    const { config, payload_schema, points_count } = await client.getCollection(collection);
    expect(config.params.vectors).toEqual(VECTORS);
    expect(points_count).toBe(0);
    const types = Object.entries(payload_schema).map(([key, index]) => [key, index?.data_type]);
    expect(Object.fromEntries(types)).toEqual(INDEXES);
    expect((await client.getCollections()).collections).toContainEqual({ name: collection });

    expect(await client.deleteCollection(collection)).toBe(true);
    expect(await client.collectionExists(collection)).toEqual({ exists: false });
    expect(await refusalOf(client.getCollection(collection))).toMatchObject({ status: 404 });
    expect(await client.deleteCollection(collection)).toBe(false);
  });

  test("a collection is created once", async () => {
    const again = client.createCollection(collection, { vectors: VECTORS });
    expect(await refusalOf(again)).toMatchObject({ status: 409 });
  });

  test("each operation of a batch is guarded by its own filter", async () => {
    await write({
      id: FIRST,
      revision: 5,
      vector: [1, 1],
      payload: { brand: "Acme", title: "new" },
    });
    await write(
      { id: FIRST, revision: 4, vector: [9, 9], payload: { title: "late" } },
      { id: SECOND, revision: 1, vector: [2, 2] },
    );
    const request = { ids: [FIRST, SECOND], with_vector: ["fused"] };
    const stored = await client.retrieve(collection, request);
    expect(stored.find(({ id }) => id === FIRST)).toEqual({
      id: FIRST,
      payload: { revision: 5, brand: "Acme", title: "new" },
      vector: { fused: [1, 1] },
    });
    expect(stored.find(({ id }) => id === SECOND)?.payload).toEqual({ revision: 1 });

    // A point is replaced whole: what the new one lacks is gone.
    await write({ id: FIRST, revision: 6 });
    const [replaced] = await client.retrieve(collection, { ids: [FIRST], with_vector: true });
    expect(replaced).toEqual({ id: FIRST, payload: { revision: 6 }, vector: {} });
  });

  test("a point without the guarded field is overwritten where is_empty says so", async () => {
    await client.upsert(collection, {
      points: [{ id: FIRST, vector: {}, payload: { old: true } }],
    });
    const guard = {
      should: [{ key: "revision", range: { lt: 1 } }, { is_empty: { key: "revision" } }],
    };
    const point = { id: FIRST, vector: {}, payload: { revision: 1 } };
    const upsert = { points: [point], update_filter: guard };
    for (let i = 0; i < 2; i += 1)
      await client.batchUpdate(collection, { operations: [{ upsert }] });
    const [stored] = await client.retrieve(collection, { ids: [FIRST] });
    expect(stored?.payload).toEqual({ revision: 1 });
  });

  test("filters decide as Qdrant's do", async () => {
    await threeProducts();
    expect(await found({})).toEqual([THIRD, SECOND, FIRST]);
    expect(await found({ must: [{ key: "removed", match: { value: false } }] })).toEqual([
      SECOND,
      FIRST,
    ]);
    expect(await found({ must: [{ key: "removed", match: { value: true } }] })).toEqual([THIRD]);
    expect(await found({ must: [{ key: "brand", match: { value: "Acme" } }] })).toEqual([
      THIRD,
      FIRST,
    ]);
    expect(await found({ must: [{ key: "brand", match: { any: ["Bolt", "Nut"] } }] })).toEqual([
      SECOND,
    ]);
    expect(await found({ must: [{ key: "price", range: { gte: 10.5, lt: 20 } }] })).toEqual([
      FIRST,
    ]);
    expect(await found({ must: [{ is_empty: { key: "price" } }] })).toEqual([THIRD]);
    expect(await found({ must_not: [{ has_id: [SECOND, THIRD] }] })).toEqual([FIRST]);
    const either = { should: [{ key: "price", range: { gt: 15 } }, { has_id: [THIRD] }] };
    expect(await found({ must: [either, { key: "removed", match: { value: false } }] })).toEqual([
      SECOND,
    ]);
    expect(await found({ must: [{ has_id: [] }] })).toEqual([]);
  });

  test("a query brings what it names, best first, within its limit", async () => {
    await threeProducts();
    const request = { query: [1, 0], using: "fused", limit: 2 };
    const bare = await client.query(collection, request);
    expect(bare.points.map(({ id, score }) => ({ id, score }))).toEqual([
      { id: THIRD, score: 3 },
      { id: SECOND, score: 2 },
    ]);
    expect(bare.points[0]).not.toHaveProperty("payload");
    const full = { ...request, with_payload: ["brand"], with_vector: ["fused"] };
    const { points } = await client.query(collection, full);
    expect(points[0]).toMatchObject({ payload: { brand: "Acme" }, vector: { fused: [3, 0] } });
  });

  test("scroll goes by a field's order, count is exact, delete deletes", async () => {
    await threeProducts();
    const order_by = { key: "born_ms", direction: "desc" } as const;
    const { points } = await client.scroll(collection, { order_by, limit: 2 });
    expect(points.map(({ id }) => id)).toEqual([SECOND, THIRD]);
    const filter = { must: [{ key: "brand", match: { value: "Acme" } }] };
    expect(await client.count(collection, { filter, exact: true })).toEqual({ count: 2 });
    await client.delete(collection, { points: [FIRST], wait: true });
    expect(await client.count(collection, { filter })).toEqual({ count: 1 });
  });

  test("an alias stands for its collection and moves in one step, or not at all", async () => {
    const other = `${collection}-b`;
    const alias = `${collection}-live`;
    await client.createCollection(other, { vectors: VECTORS });
    const pointAt = (collection_name: string) =>
      client.updateCollectionAliases({
        actions: [{ create_alias: { alias_name: alias, collection_name } }],
      });
    await pointAt(collection);
    await threeProducts();
    expect(await client.count(alias)).toEqual({ count: 3 });
    await pointAt(other);
    expect(await client.count(alias)).toEqual({ count: 0 });

    const actions = [
      { delete_alias: { alias_name: alias } },
      { create_alias: { alias_name: alias, collection_name: "nowhere" } },
    ];
    expect(await refusalOf(client.updateCollectionAliases({ actions }))).toMatchObject({
      status: 404,
    });
    const expected = { alias_name: alias, collection_name: other };
    expect((await client.getCollectionAliases(other)).aliases).toEqual([expected]);
    await client.deleteCollection(other);
    expect((await client.getAliases()).aliases).not.toContainEqual(expected);
  });

  test("what Qdrant would ignore is refused by name", async () => {
    const query = { query: [1, 0], using: "fused", limit: 1 };
    // Asked one by one: a refusal that nobody awaits yet would count as unhandled.
    const refused: [() => Promise<unknown>, string][] = [
      [
        () =>
          client.count(collection, {
            filter: { must: [{ key: "colour", match: { value: "red" } }] },
          }),
        "`colour` has no index",
      ],
      [
        () => client.count(collection, { filter: { must: [{ is_empty: { key: "colour" } }] } }),
        "`colour` has no index",
      ],
      [() => client.count(collection, { filter: { musst: [] } as object }), "`musst`"],
      [
        () =>
          client.count(collection, {
            filter: { must: [{ key: "brand", match: { valeu: "x" } }] } as object,
          }),
        "`valeu`",
      ],
      [
        () =>
          client.count(collection, { filter: { must: [{ key: "brand", match: { value: 7 } }] } }),
        "`brand` is indexed as keyword",
      ],
      [
        () => client.count(collection, { filter: { must: [{ key: "brand", range: { gt: 7 } }] } }),
        "`brand` needs an integer or float index",
      ],
      [
        () => client.scroll(collection, { order_by: "brand" }),
        "`brand` needs an integer or float index",
      ],
      [() => client.query(collection, { ...query, using: "fussed" }), "fussed"],
      [() => client.query(collection, { ...query, query: [1, 0, 0] }), "expected dim: 2, got 3"],
      [() => client.query(collection, { ...query, params: { exakt: true } }), "`exakt`"],
      [() => client.query(collection, { ...query, prefetch: { query: [1, 0] } }), "`prefetch`"],
      [() => client.retrieve(collection, { ids: ["first"] }), "`first` is not a point id"],
      [() => client.upsert(collection, { points: [{ id: 1, vectors: {} }] } as never), "`vectors`"],
      [
        () => client.createPayloadIndex(collection, { field_name: "place", field_schema: "geo" }),
        "`geo`",
      ],
    ];
    for (const [call, named] of refused) {
      const { status, error } = await refusalOf(call());
      expect({ status, error }).toEqual({ status: 400, error: expect.stringContaining(named) });
    }
  });

  test("a refused batch changes nothing", async () => {
    const bad = write(
      { id: FIRST, revision: 1, vector: [1, 0] },
      { id: SECOND, revision: 1, vector: [1] },
    );
    expect(await refusalOf(bad)).toMatchObject({ status: 400 });
    expect(await client.count(collection)).toEqual({ count: 0 });
  });

  test("a path that is not served says so", async () => {
    const { status, error } = await refusalOf(client.createSnapshot(collection));
    expect(status).toBe(404);
    expect(error).toContain("is not served by the development index");
  });

  test.each(["SIGTERM", "SIGKILL"] as const)("what was written outlives %s", async (signal) => {
    await threeProducts();
    const alias_name = `${collection}-live`;
    const actions = [{ create_alias: { alias_name, collection_name: collection } }];
    await client.updateCollectionAliases({ actions });
    await stopProcess(server, signal, 10_000);
    await start();
    const { payload_schema } = await client.getCollection(alias_name);
    expect(Object.keys(payload_schema).toSorted()).toEqual(Object.keys(INDEXES).toSorted());
    expect(await found({ must: [{ key: "removed", match: { value: false } }] })).toEqual([
      SECOND,
      FIRST,
    ]);
    const [first] = await client.retrieve(alias_name, { ids: [FIRST], with_vector: true });
    expect(first).toMatchObject({ payload: { price: 10.5 }, vector: { fused: [1, 0] } });
  });

  test("a second process on the same folder is refused", async () => {
    const other = qdrantServer({ ...options, ports: await freePorts() }, python);
    const folder = join(directory, "second");
    const data = `${folder}/../qdrant/data`;
    const second = { ...other, folder, args: [...other.args.slice(0, -1), data] };
    await startProcess(second);
    await expect(awaitReady(second, 10_000)).rejects.toThrow(/in use by another process/);
    expect(await client.collectionExists(collection)).toEqual({ exists: true });
  });
});
