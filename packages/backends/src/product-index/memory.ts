import { MarquetryError } from "@marquetry/runtime/errors";
import { createTopK } from "./top-k.js";
import {
  checkFilter,
  checkName,
  checkPage,
  checkPoints,
  checkQuery,
  checkScan,
  checkSpec,
} from "./checks.js";
import type {
  CollectionSpec,
  FoundPoint,
  Point,
  PointFilter,
  PointPayload,
  ProductIndex,
} from "./product-index.js";

/**
 * A vector index inside the process: exact, by reading every vector. Each call runs to its end
 * before another starts, so the guarantees of the port need no locks.
 *
 * A product keeps its slot (a row number) for ever. Vectors lie packed in pages of rows, one list of
 * pages per vector name; a page exists once a row of it is written, so growing copies nothing.
 */
export function createMemoryProductIndex(): ProductIndex {
  const collections = new Map<string, Collection>();
  const aliases = new Map<string, string>();

  function find(name: string): Collection {
    checkName(name, "collection");
    const found = collections.get(aliases.get(name) ?? name);
    if (found === undefined) {
      throw new MarquetryError("not-found", `there is no collection "${name}"`);
    }
    return found;
  }

  return {
    async ensureCollection(spec) {
      checkSpec(spec);
      const existing = collections.get(aliases.get(spec.name) ?? spec.name);
      if (existing === undefined) collections.set(spec.name, createCollection(spec));
      else checkSameVectors(existing, spec);
    },

    async upsert(collection, points) {
      checkName(collection, "collection");
      checkPoints(points);
      if (points.length > 0) writePoints(find(collection), points);
    },

    async retrieve(collection, productIds, vectors) {
      checkName(collection, "collection");
      const found = new Map<string, Point>();
      if (productIds.length === 0) return found;
      const stored = find(collection);
      for (const productId of productIds) {
        const slot = stored.slots.get(productId);
        if (slot !== undefined) found.set(productId, readPoint(stored, slot, vectors));
      }
      return found;
    },

    async query(collection, query) {
      checkQuery(query);
      const stored = find(collection);
      const packed = packedVectors(stored, query.using);
      checkSize(packed, query.vector.length, query.using);
      const best = createTopK(query.limit, precedesIn(stored));
      const passes = matcher(query.filter);
      for (const [page, rows] of packed.pages.entries()) {
        if (rows === undefined) continue;
        for (let row = 0; row < ROWS_PER_PAGE; row += 1) {
          if (rows.present[row] === 0) continue;
          const slot = page * ROWS_PER_PAGE + row;
          if (!passes(stored.payloads[slot]!)) continue;
          const score = dot(rows.values, row * packed.size, query.vector);
          if (score >= best.threshold()) best.offer(slot, score);
        }
      }
      const vectors = query.vectors ?? [];
      return best
        .sorted()
        .map(({ slot, score }) => Object.assign(readFoundPoint(stored, slot, vectors), { score }));
    },

    async scan(collection, scan) {
      checkScan(scan);
      const stored = find(collection);
      const best = createTopK(scan.limit, precedesIn(stored));
      const passes = matcher(scan.filter);
      for (const [slot, payload] of stored.payloads.entries()) {
        if (passes(payload)) best.offer(slot, payload[scan.orderBy]);
      }
      return best.sorted().map(({ slot }) => readFoundPoint(stored, slot, []));
    },

    async page(collection, page) {
      checkPage(page);
      const stored = find(collection);
      const points: Point[] = [];
      let slot = page.after === undefined ? 0 : slotOf(page.after);
      for (; slot < stored.payloads.length && points.length < page.limit; slot += 1) {
        if (stored.payloads[slot]!.removed) continue;
        points.push(readPoint(stored, slot, page.vectors));
      }
      return slot < stored.payloads.length ? { points, next: cursorOf(slot) } : { points };
    },

    async count(collection, filter) {
      checkFilter(filter);
      const passes = matcher(filter);
      let passing = 0;
      for (const payload of find(collection).payloads) if (passes(payload)) passing += 1;
      return passing;
    },

    async dropCollection(collection) {
      checkName(collection, "collection");
      collections.delete(collection);
      for (const [alias, target] of aliases) if (target === collection) aliases.delete(alias);
    },

    async setAlias(alias, collection) {
      checkName(alias, "alias");
      checkName(collection, "collection");
      if (!collections.has(collection)) {
        throw new MarquetryError("not-found", `there is no collection "${collection}"`);
      }
      if (collections.has(alias)) {
        throw new MarquetryError("invalid", `"${alias}" is the name of a collection`, {
          field: "alias",
        });
      }
      aliases.set(alias, collection);
    },

    async ping() {},
    async close() {},
  };
}

/** A slot in the form of a cursor, whose last group has room for any. */
function cursorOf(slot: number): string {
  return `00000000-0000-8000-8000-${slot.toString(16).padStart(12, "0")}`;
}

function slotOf(cursor: string): number {
  return Number.parseInt(cursor.slice(-12), 16);
}

interface Collection {
  readonly vectors: ReadonlyMap<string, PackedVectors>;
  readonly slots: Map<string, number>;
  /** By slot. */
  readonly payloads: PointPayload[];
}

interface PackedVectors {
  readonly size: number;
  readonly searchable: boolean;
  readonly pages: (Page | undefined)[];
}

interface Page {
  /** `ROWS_PER_PAGE` rows of `size` numbers. */
  readonly values: Float32Array;
  /** 1 where the row holds a vector. */
  readonly present: Uint8Array;
}

const ROWS_PER_PAGE = 1024;

function createCollection(spec: CollectionSpec): Collection {
  const vectors = new Map<string, PackedVectors>();
  for (const [name, { size, searchable }] of Object.entries(spec.vectors)) {
    vectors.set(name, { size, searchable, pages: [] });
  }
  return { vectors, slots: new Map(), payloads: [] };
}

function checkSameVectors(existing: Collection, spec: CollectionSpec): void {
  const wanted = Object.entries(spec.vectors);
  const same =
    wanted.length === existing.vectors.size &&
    wanted.every(([name, { size, searchable }]) => {
      const vector = existing.vectors.get(name);
      return vector?.size === size && vector.searchable === searchable;
    });
  if (!same) {
    throw new MarquetryError("invalid", `collection "${spec.name}" exists with other vectors`, {
      field: "vectors",
    });
  }
}

function packedVectors(collection: Collection, name: string): PackedVectors {
  const packed = collection.vectors.get(name);
  if (packed === undefined) {
    throw new MarquetryError("invalid", `there is no vector "${name}"`, { field: "vectors" });
  }
  return packed;
}

function checkSize(packed: PackedVectors, size: number, name: string): void {
  if (size !== packed.size) {
    throw new MarquetryError(
      "invalid",
      `vector "${name}" has ${packed.size} dimensions, not ${size}`,
      { field: `vectors.${name}` },
    );
  }
}

function writePoints(collection: Collection, points: readonly Point[]): void {
  for (const { vectors } of points) {
    for (const [name, vector] of Object.entries(vectors)) {
      checkSize(packedVectors(collection, name), vector.length, name);
    }
  }
  for (const { payload, vectors, replaces } of points) {
    const known = collection.slots.get(payload.productId);
    const stored = known === undefined ? undefined : collection.payloads[known];
    if (stored !== undefined && stored.revision > payload.revision) continue;
    if (replaces !== undefined && stored !== undefined && (stored.version ?? 0) !== replaces)
      continue;
    const slot = known ?? collection.payloads.length;
    collection.slots.set(payload.productId, slot);
    collection.payloads[slot] = copyPayload(payload);
    for (const [name, packed] of collection.vectors) writeRow(packed, slot, vectors[name]);
  }
}

function writeRow(packed: PackedVectors, slot: number, vector: Float32Array | undefined): void {
  const index = Math.floor(slot / ROWS_PER_PAGE);
  const row = slot % ROWS_PER_PAGE;
  let page = packed.pages[index];
  if (vector === undefined) {
    if (page !== undefined) page.present[row] = 0;
    return;
  }
  if (page === undefined) {
    page = {
      values: new Float32Array(ROWS_PER_PAGE * packed.size),
      present: new Uint8Array(ROWS_PER_PAGE),
    };
    packed.pages[index] = page;
  }
  page.values.set(vector, row * packed.size);
  page.present[row] = 1;
}

function readPoint(collection: Collection, slot: number, names: readonly string[]): Point {
  return { payload: collection.payloads[slot]!, vectors: readVectors(collection, slot, names) };
}

function readFoundPoint(
  collection: Collection,
  slot: number,
  names: readonly string[],
): FoundPoint {
  const { productId, title, groupId, modalities, availableFromMs } = collection.payloads[slot]!;
  const payload = { productId, title, groupId, modalities, availableFromMs };
  return { payload, vectors: readVectors(collection, slot, names) };
}

function readVectors(
  collection: Collection,
  slot: number,
  names: readonly string[],
): Record<string, Float32Array> {
  const vectors: Record<string, Float32Array> = {};
  for (const name of names) {
    const packed = packedVectors(collection, name);
    const page = packed.pages[Math.floor(slot / ROWS_PER_PAGE)];
    const row = slot % ROWS_PER_PAGE;
    if (page === undefined || page.present[row] === 0) continue;
    vectors[name] = page.values.slice(row * packed.size, (row + 1) * packed.size);
  }
  return vectors;
}

/** A frozen copy: neither the writer nor a reader can change what is stored. */
function copyPayload(payload: PointPayload): PointPayload {
  const encoders: Record<string, { readonly encoder: string; readonly digest: string }> = {};
  for (const [modality, { encoder, digest }] of Object.entries(payload.encoders)) {
    encoders[modality] = Object.freeze({ encoder, digest });
  }
  const outcomes = Object.entries(payload.outcomes ?? {}).map(
    ([modality, outcome]) => [modality, Object.freeze({ ...outcome })] as const,
  );
  return Object.freeze({
    ...payload,
    ...(payload.outcomes === undefined
      ? {}
      : { outcomes: Object.freeze(Object.fromEntries(outcomes)) }),
    categories: Object.freeze([...payload.categories]),
    modalities: Object.freeze([...payload.modalities]),
    encoders: Object.freeze(encoders),
  });
}

function precedesIn(collection: Collection): (a: number, b: number) => boolean {
  return (a, b) => collection.payloads[a]!.productId < collection.payloads[b]!.productId;
}

/** Whether a live point passes the filter. */
function matcher(filter: PointFilter = {}): (payload: PointPayload) => boolean {
  const categories = setOf(filter.categoriesAny);
  const brands = setOf(filter.brandsAny);
  const availabilities = setOf(filter.availabilityAny);
  const ids = setOf(filter.productIdsAny);
  const excluded = setOf(filter.productIdsNone);
  const excludedGroups = setOf(filter.groupIdsNone);
  const { priceMin, priceMax } = filter;
  const priced = priceMin !== undefined || priceMax !== undefined;
  return (payload) => {
    if (payload.removed) return false;
    if (brands !== undefined && !brands.has(payload.brand)) return false;
    if (availabilities !== undefined && !availabilities.has(payload.availability)) return false;
    if (ids !== undefined && !ids.has(payload.productId)) return false;
    if (excluded !== undefined && excluded.has(payload.productId)) return false;
    if (excludedGroups !== undefined && excludedGroups.has(payload.groupId)) return false;
    if (categories !== undefined && !payload.categories.some((path) => categories.has(path))) {
      return false;
    }
    if (!priced) return true;
    const { price } = payload;
    return (
      price !== undefined &&
      (priceMin === undefined || price >= priceMin) &&
      (priceMax === undefined || price <= priceMax)
    );
  };
}

function setOf<T>(values: readonly T[] | undefined): ReadonlySet<T> | undefined {
  return values === undefined ? undefined : new Set(values);
}

/** Four sums at once, since each alone waits for its last addition. */
function dot(values: Float32Array, offset: number, vector: Float32Array): number {
  const size = vector.length;
  const whole = size - (size % 4);
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  for (let i = 0; i < whole; i += 4) {
    sum0 += values[offset + i]! * vector[i]!;
    sum1 += values[offset + i + 1]! * vector[i + 1]!;
    sum2 += values[offset + i + 2]! * vector[i + 2]!;
    sum3 += values[offset + i + 3]! * vector[i + 3]!;
  }
  for (let i = whole; i < size; i += 1) sum0 += values[offset + i]! * vector[i]!;
  return sum0 + sum1 + (sum2 + sum3);
}
