import { createHash } from "node:crypto";
import { QdrantClient } from "@qdrant/js-client-rest";
import { z } from "zod";
import { AVAILABILITY_NAMES } from "@marquetry/contracts/availability";
import { MarquetryError } from "@marquetry/runtime/errors";
import {
  checkFilter,
  checkName,
  checkPage,
  checkPoints,
  checkQuery,
  checkScan,
  checkSpec,
} from "../checks.js";
import type {
  CollectionSpec,
  FoundPoint,
  ModalityOutcome,
  Point,
  PointFilter,
  PointPayload,
  ProductIndex,
  VectorSpec,
} from "../product-index.js";

export interface QdrantOptions {
  /** `http://host:port` or `https://host:port`, with the path of a proxy if there is one. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** For each request; a call of many points makes several. */
  readonly timeoutMs: number;
}

/**
 * A vector index on a Qdrant server, 1.16 or later (`update_filter`).
 *
 * A point's id is a UUID made from the product id, which the payload carries. What is read right
 * after a write comes from any replica, so a collection with several needs a write consistency
 * factor that covers them all; both numbers are set on the server.
 */
export function createQdrantProductIndex(options: QdrantOptions): ProductIndex {
  const client = createClient(options);

  return {
    async ensureCollection(spec) {
      checkSpec(spec);
      await createWhereMissing(client, spec);
      const info = await ask(() => client.getCollection(spec.name));
      checkSameVectors(info.config.params.vectors, spec);
      // Payload keys take part in the graph only where their index was there before the points.
      for (const [field, type] of Object.entries(INDEXED_FIELDS)) {
        if (info.payload_schema[field]?.data_type === type) continue;
        await ask(() =>
          client.createPayloadIndex(spec.name, {
            field_name: field,
            field_schema: type,
            wait: true,
            ordering: "strong",
          }),
        );
      }
    },

    async upsert(collection, points) {
      checkName(collection, "collection");
      checkPoints(points);
      await forEachBounded(writeBatches(points), WRITES_IN_FLIGHT_MAX, async (batch) => {
        const operations = guardedUpserts(batch);
        await ask(() =>
          client.batchUpdate(collection, { operations, wait: true, ordering: "strong" }),
        );
      });
    },

    async retrieve(collection, productIds, vectors) {
      checkName(collection, "collection");
      const found = new Map<string, Point>();
      const batches = chunks(productIds, POINTS_PER_BATCH_MAX);
      await forEachBounded(batches, READS_IN_FLIGHT_MAX, async (batch) => {
        const records = await ask(() =>
          client.retrieve(collection, {
            ids: batch.map(pointId),
            with_payload: true,
            with_vector: vectorSelector(vectors),
          }),
        );
        for (const point of records.map(readPoint)) found.set(point.payload.productId, point);
      });
      return found;
    },

    async query(collection, query) {
      checkName(collection, "collection");
      checkQuery(query);
      const { points } = await ask(() =>
        client.query(collection, {
          query: Array.from(query.vector),
          using: query.using,
          limit: query.limit,
          filter: livePointsFilter(query.filter),
          with_payload: FOUND_KEYS,
          with_vector: vectorSelector(query.vectors ?? []),
        }),
      );
      const scored = points.map((point) =>
        Object.assign(readFoundPoint(point), { score: point.score }),
      );
      return scored.sort((a, b) => b.score - a.score || compareProductIds(a, b));
    },

    async scan(collection, scan) {
      checkName(collection, "collection");
      checkScan(scan);
      const { points } = await ask(() =>
        client.scroll(collection, {
          order_by: { key: "available_from_ms", direction: "desc" },
          limit: scan.limit,
          filter: livePointsFilter(scan.filter),
          with_payload: FOUND_KEYS,
          with_vector: false,
        }),
      );
      return points
        .map(readFoundPoint)
        .sort(
          (a, b) => b.payload[scan.orderBy] - a.payload[scan.orderBy] || compareProductIds(a, b),
        );
    },

    async page(collection, page) {
      checkName(collection, "collection");
      checkPage(page);
      const { points, next_page_offset: next } = await ask(() =>
        client.scroll(collection, {
          limit: page.limit,
          filter: livePointsFilter(),
          with_payload: true,
          with_vector: vectorSelector(page.vectors),
          ...(page.after === undefined ? {} : { offset: page.after }),
        }),
      );
      const read = points.map(readPoint);
      return typeof next === "string" ? { points: read, next } : { points: read };
    },

    async count(collection, filter) {
      checkName(collection, "collection");
      checkFilter(filter);
      const { count } = await ask(() =>
        client.count(collection, { filter: livePointsFilter(filter), exact: true }),
      );
      return count;
    },

    async dropCollection(collection) {
      checkName(collection, "collection");
      await ask(() => client.deleteCollection(collection)).catch(ignoreNotFound);
    },

    async setAlias(alias, collection) {
      checkName(alias, "alias");
      checkName(collection, "collection");
      // Creating an alias replaces it. Deleting it first would lose it where creating then fails.
      await ask(() =>
        client.updateCollectionAliases({
          actions: [{ create_alias: { alias_name: alias, collection_name: collection } }],
        }),
      );
    },

    async ping() {
      await ask(() => client.getCollections());
    },

    // The client's sockets are unreferenced once idle and close by themselves after 10 s.
    async close() {},
  };
}

/** At most so many points to a request, and so many numbers in them (about 5 MB as JSON). */
const POINTS_PER_BATCH_MAX = 256;
const NUMBERS_PER_BATCH_MAX = 262_144;
const WRITES_IN_FLIGHT_MAX = 2;
const READS_IN_FLIGHT_MAX = 4;

/** Payload as Qdrant keeps it. */
const storedPayload = z.object({
  product_id: z.string(),
  revision: z.number(),
  removed: z.boolean(),
  title: z.string(),
  categories: z.array(z.string()),
  brand: z.string(),
  price: z.number().optional(),
  currency: z.string(),
  availability: z.enum(AVAILABILITY_NAMES),
  available_from_ms: z.number(),
  group_id: z.string(),
  modalities: z.array(z.string()),
  encoders: z.record(z.string(), z.object({ encoder: z.string(), digest: z.string() })),
  version: z.number().optional(),
  removed_revision: z.number().optional(),
  outcomes: z
    .record(
      z.string(),
      z.object({
        revision: z.number(),
        outcome: z.enum(["encoded", "imputed", "failed", "absent"]),
        encoder: z.string().optional(),
        digest: z.string().optional(),
        vector_digest: z.number().optional(),
      }),
    )
    .optional(),
});

/** The part of it that searches bring. */
const foundPayload = storedPayload.pick({
  product_id: true,
  title: true,
  group_id: true,
  modalities: true,
  available_from_ms: true,
});
const FOUND_KEYS = Object.keys(foundPayload.shape);

const INDEXED_FIELDS = {
  product_id: "keyword",
  revision: "integer",
  removed: "bool",
  categories: "keyword",
  brand: "keyword",
  price: "float",
  currency: "keyword",
  availability: "keyword",
  available_from_ms: "integer",
  group_id: "keyword",
  modalities: "keyword",
  version: "integer",
} as const satisfies Partial<Record<keyof z.infer<typeof storedPayload>, string>>;

function createClient({ url, apiKey, timeoutMs }: QdrantOptions): QdrantClient {
  const { origin, pathname } = new URL(url);
  return new QdrantClient({
    url: origin,
    prefix: pathname.replace(/\/+$/, ""),
    timeout: timeoutMs,
    // As a header: given as `apiKey` over plain http, the client writes a warning to the console.
    ...(apiKey === undefined ? {} : { headers: { "api-key": apiKey } }),
    checkCompatibility: false,
  });
}

async function createWhereMissing(client: QdrantClient, spec: CollectionSpec): Promise<void> {
  try {
    await ask(() => client.getCollection(spec.name));
    return;
  } catch (error) {
    ignoreNotFound(error);
  }
  const vectors = Object.entries(spec.vectors).map(([name, vector]) => [
    name,
    vectorParams(vector),
  ]);
  try {
    await ask(() => client.createCollection(spec.name, { vectors: Object.fromEntries(vectors) }));
  } catch (error) {
    // Another process may have created it in between; the caller looks at what is there now.
    const refused = error instanceof MarquetryError && error.code === "invalid";
    if (!refused || !(await ask(() => client.collectionExists(spec.name))).exists) throw error;
  }
}

function vectorParams({ size, searchable }: VectorSpec) {
  const params = { size, distance: "Dot" } as const;
  return searchable ? params : { ...params, on_disk: true, hnsw_config: { m: 0 } };
}

function checkSameVectors(existing: unknown, spec: CollectionSpec): void {
  const found = namedVectors.safeParse(existing).data ?? {};
  const wanted = Object.entries(spec.vectors);
  const same =
    wanted.length === Object.keys(found).length &&
    wanted.every(([name, { size, searchable }]) => {
      const vector = found[name];
      return (
        vector?.size === size &&
        vector.distance === "Dot" &&
        (vector.hnsw_config?.m !== 0) === searchable
      );
    });
  if (!same) {
    throw new MarquetryError("invalid", `collection "${spec.name}" exists with other vectors`, {
      field: "vectors",
    });
  }
}

const namedVectors = z.record(
  z.string(),
  z.object({
    size: z.number(),
    distance: z.string(),
    hnsw_config: z.object({ m: z.number().nullish() }).nullish(),
  }),
);

/**
 * A UUID (version 8: of our own making) from the first 122 bits of SHA-256 of the product id. Two
 * among a thousand million products meet with a probability of 1e-19.
 */
function pointId(productId: string): string {
  const bytes = createHash("sha256").update(productId).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [8, 12, 16, 20].reduceRight((id, at) => `${id.slice(0, at)}-${id.slice(at)}`, hex);
}

/** `update_filter` holds for a whole operation, so there is one for each guard of the batch. */
function guardedUpserts(points: readonly Point[]) {
  const byGuard = Map.groupBy(points, ({ payload, replaces }) => `${payload.revision} ${replaces}`);
  return Array.from(byGuard.values(), (group) => ({
    upsert: { points: group.map(writePoint), update_filter: guardOf(group[0]!) },
  }));
}

/** What is not stored yet is inserted whatever the filter says. */
function guardOf({ payload: { revision }, replaces }: Point) {
  const notNewer = { must_not: [{ key: "revision", range: { gt: revision } }] };
  if (replaces === undefined) return notNewer;
  const version =
    replaces === 0
      ? { is_empty: { key: "version" } }
      : { key: "version", match: { value: replaces } };
  return { ...notNewer, must: [version] };
}

function writePoint({ payload, vectors }: Point) {
  return {
    id: pointId(payload.productId),
    vector: Object.fromEntries(
      Object.entries(vectors).map(([name, vector]) => [name, Array.from(vector)]),
    ),
    payload: {
      product_id: payload.productId,
      revision: payload.revision,
      removed: payload.removed,
      title: payload.title,
      categories: payload.categories,
      brand: payload.brand,
      ...(payload.price === undefined ? {} : { price: payload.price }),
      currency: payload.currency,
      availability: payload.availability,
      available_from_ms: payload.availableFromMs,
      group_id: payload.groupId,
      modalities: payload.modalities,
      encoders: payload.encoders,
      version: payload.version,
      removed_revision: payload.removedRevision,
      outcomes: payload.outcomes && mapValues(payload.outcomes, writeOutcome),
    },
  };
}

function writeOutcome({ vectorDigest, ...outcome }: ModalityOutcome) {
  return { ...outcome, vector_digest: vectorDigest };
}

/** JSON leaves out what is undefined on its way there; here it is left out on the way back. */
function readOutcome(
  stored: NonNullable<z.infer<typeof storedPayload>["outcomes"]>[string],
): ModalityOutcome {
  const { revision, outcome, encoder, digest, vector_digest: vectorDigest } = stored;
  return {
    revision,
    outcome,
    ...(encoder === undefined ? {} : { encoder }),
    ...(digest === undefined ? {} : { digest }),
    ...(vectorDigest === undefined ? {} : { vectorDigest }),
  };
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}

interface StoredRecord {
  readonly id: string | number;
  readonly payload?: unknown;
  readonly vector?: unknown;
}

function readPoint(record: StoredRecord): Point {
  const stored = readPayload(storedPayload, record);
  const payload: PointPayload = {
    ...foundPayloadOf(stored),
    revision: stored.revision,
    removed: stored.removed,
    categories: stored.categories,
    brand: stored.brand,
    ...(stored.price === undefined ? {} : { price: stored.price }),
    currency: stored.currency,
    availability: stored.availability,
    encoders: stored.encoders,
    ...(stored.version === undefined ? {} : { version: stored.version }),
    ...(stored.removed_revision === undefined ? {} : { removedRevision: stored.removed_revision }),
    ...(stored.outcomes === undefined ? {} : { outcomes: mapValues(stored.outcomes, readOutcome) }),
  };
  return { payload, vectors: readVectors(record) };
}

function readFoundPoint(record: StoredRecord): FoundPoint {
  const payload = foundPayloadOf(readPayload(foundPayload, record));
  return { payload, vectors: readVectors(record) };
}

function readPayload<Payload>(schema: z.ZodType<Payload>, { id, payload }: StoredRecord): Payload {
  const { data, error } = schema.safeParse(payload);
  if (data === undefined) {
    throw new MarquetryError("corrupt", `point ${id} is not one of ours`, { cause: error });
  }
  return data;
}

function foundPayloadOf(stored: z.infer<typeof foundPayload>): FoundPoint["payload"] {
  return {
    productId: stored.product_id,
    title: stored.title,
    groupId: stored.group_id,
    modalities: stored.modalities,
    availableFromMs: stored.available_from_ms,
  };
}

function readVectors({ vector }: StoredRecord): Record<string, Float32Array> {
  return mapValues((vector ?? {}) as Record<string, number[]>, (values) =>
    Float32Array.from(values),
  );
}

function vectorSelector(names: readonly string[]): string[] | false {
  return names.length === 0 ? false : [...names];
}

function livePointsFilter(filter: PointFilter = {}) {
  const must: object[] = [{ key: "removed", match: { value: false } }];
  const anyOf = { categories: filter.categoriesAny, brand: filter.brandsAny };
  for (const [key, values] of Object.entries({ ...anyOf, availability: filter.availabilityAny })) {
    if (values !== undefined) must.push({ key, match: { any: [...values] } });
  }
  if (filter.priceMin !== undefined || filter.priceMax !== undefined) {
    must.push({ key: "price", range: { gte: filter.priceMin, lte: filter.priceMax } });
  }
  if (filter.productIdsAny !== undefined) {
    must.push({ has_id: filter.productIdsAny.map(pointId) });
  }
  const mustNot: object[] = [];
  if (filter.productIdsNone !== undefined && filter.productIdsNone.length > 0) {
    mustNot.push({ has_id: filter.productIdsNone.map(pointId) });
  }
  if (filter.groupIdsNone !== undefined && filter.groupIdsNone.length > 0) {
    mustNot.push({ key: "group_id", match: { any: [...filter.groupIdsNone] } });
  }
  return mustNot.length === 0 ? { must } : { must, must_not: mustNot };
}

function compareProductIds(a: FoundPoint, b: FoundPoint): number {
  return a.payload.productId < b.payload.productId ? -1 : 1;
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}

/** Cuts by the number of points and by the numbers in them, since both make a request slow. */
function* writeBatches(points: readonly Point[]): Generator<readonly Point[]> {
  let batch: Point[] = [];
  let numbers = 0;
  for (const point of points) {
    const size = Object.values(point.vectors).reduce((sum, vector) => sum + vector.length, 0);
    const full = batch.length === POINTS_PER_BATCH_MAX || numbers + size > NUMBERS_PER_BATCH_MAX;
    if (full && batch.length > 0) {
      yield batch;
      batch = [];
      numbers = 0;
    }
    batch.push(point);
    numbers += size;
  }
  if (batch.length > 0) yield batch;
}

/** Runs `work` on the items, at most `limit` at a time. After a failure no item is begun; what is
 * under way ends before the failure is thrown, so that nothing of a failed call runs on. */
async function forEachBounded<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const failures: unknown[] = [];
  async function runner(): Promise<void> {
    while (failures.length === 0) {
      const next = rest.next();
      if (next.done === true) return;
      await work(next.value).catch((error: unknown) => failures.push(error));
    }
  }
  await Promise.all(Array.from({ length: limit }, runner));
  if (failures.length > 0) throw failures[0];
}

/** Makes one request and takes whatever it throws to a MarquetryError. */
async function ask<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw translate(error);
  }
}

function translate(cause: unknown): MarquetryError {
  const { status, data, name } = clientError.parse(cause);
  const answer = data?.status?.error;
  const reason = answer === undefined ? "" : `: ${answer}`;
  if (status === 429 || name === "QdrantClientResourceExhaustedError") {
    return new MarquetryError("overloaded", "the vector index takes no more requests", { cause });
  }
  if (status === 404) {
    return new MarquetryError("not-found", `the vector index does not have it${reason}`, { cause });
  }
  // A refused key is a mistake of the deployment: the request is as good as before once it is mended.
  const ours = status === 401 || status === 403 || status === 408;
  if (status !== undefined && status >= 400 && status < 500 && !ours) {
    return new MarquetryError("invalid", `the vector index refused the request${reason}`, {
      cause,
    });
  }
  return new MarquetryError("unavailable", "the vector index is out of reach", { cause });
}

/** What the client throws: with a status where the server answered, else from the connection. */
const clientError = z
  .object({
    name: z.string().optional(),
    status: z.number().optional(),
    data: z
      .object({ status: z.object({ error: z.string() }).optional().catch(undefined) })
      .optional()
      .catch(undefined),
  })
  .catch({});

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof MarquetryError && error.code === "not-found")) throw error;
}
