import { MarquetryError } from "@marquetry/runtime/errors";
import { otherVectors } from "./checks.js";
import { createFilter } from "./filter.js";
import { readRow, scoreRows, writeRow } from "./packed-vectors.js";
import type { PackedVectors } from "./packed-vectors.js";
import type { PointPayload } from "./payload.js";
import type {
  CollectionSpec,
  FoundPoint,
  Page,
  PageRequest,
  Point,
  Scan,
  ScoredPoint,
  VectorQuery,
} from "./product-index.js";
import { createTopK } from "./top-k.js";
import type { TopK } from "./top-k.js";

/** A product keeps its row for ever. */
export interface Collection {
  readonly vectors: ReadonlyMap<string, PackedVectors>;
  /** By product id. */
  readonly rows: Map<string, number>;
  /** By row. */
  readonly payloads: PointPayload[];
}

export function createCollection(spec: CollectionSpec): Collection {
  const vectors = new Map<string, PackedVectors>();
  for (const [name, { size, searchable }] of Object.entries(spec.vectors)) {
    vectors.set(name, { size, searchable, pages: [] });
  }
  return { vectors, rows: new Map(), payloads: [] };
}

export function checkSameVectors(existing: Collection, spec: CollectionSpec): void {
  const specified = Object.entries(spec.vectors);
  const same =
    specified.length === existing.vectors.size &&
    specified.every(([name, { size, searchable }]) => {
      const vector = existing.vectors.get(name);
      return vector?.size === size && vector.searchable === searchable;
    });
  if (!same) throw otherVectors(spec.name);
}

export function writePoints(collection: Collection, points: readonly Point[]): void {
  for (const { vectors } of points) {
    for (const [name, vector] of Object.entries(vectors)) {
      checkSize(packedVectors(collection, name), vector.length, name);
    }
  }
  for (const { payload, vectors, replaces } of points) {
    const known = collection.rows.get(payload.productId);
    const stored = known === undefined ? undefined : collection.payloads[known];
    if (stored !== undefined && stored.revision > payload.revision) continue;
    if (replaces !== undefined && stored !== undefined && (stored.version ?? 0) !== replaces)
      continue;
    const row = known ?? collection.payloads.length;
    collection.rows.set(payload.productId, row);
    collection.payloads[row] = copyPayload(payload);
    for (const [name, packed] of collection.vectors) writeRow(packed, row, vectors[name]);
  }
}

export function readPoint(collection: Collection, row: number, names: readonly string[]): Point {
  return { payload: collection.payloads[row]!, vectors: readVectors(collection, row, names) };
}

function readFoundPoint(collection: Collection, row: number, names: readonly string[]): FoundPoint {
  const { productId, title, groupId, modalities, availableFromMs } = collection.payloads[row]!;
  const payload = { productId, title, groupId, modalities, availableFromMs };
  return { payload, vectors: readVectors(collection, row, names) };
}

/** The best rows by score, ties by ascending product id. */
function topRows({ payloads }: Collection, limit: number): TopK {
  return createTopK(limit, (a, b) => payloads[a]!.productId < payloads[b]!.productId);
}

export function nearestPoints(collection: Collection, query: VectorQuery): ScoredPoint[] {
  const { vector, using, limit, filter, vectors = [] } = query;
  const packed = packedVectors(collection, using);
  checkSize(packed, vector.length, using);
  const passes = createFilter(filter);
  const top = topRows(collection, limit);
  scoreRows(packed, vector, (row) => passes(collection.payloads[row]!), top);
  return top
    .sorted()
    .map(({ row, score }) => Object.assign(readFoundPoint(collection, row, vectors), { score }));
}

export function scanPoints(collection: Collection, { orderBy, limit, filter }: Scan): FoundPoint[] {
  const passes = createFilter(filter);
  const top = topRows(collection, limit);
  for (const [row, payload] of collection.payloads.entries()) {
    if (passes(payload)) top.offer(row, payload[orderBy]);
  }
  return top.sorted().map(({ row }) => readFoundPoint(collection, row, []));
}

export function pageOfPoints(collection: Collection, { limit, vectors, after }: PageRequest): Page {
  const { payloads } = collection;
  const points: Point[] = [];
  let row = after === undefined ? 0 : rowOf(after);
  for (; row < payloads.length && points.length < limit; row += 1) {
    if (!payloads[row]!.removed) points.push(readPoint(collection, row, vectors));
  }
  return row < payloads.length ? { points, next: cursorOf(row) } : { points };
}

/** A row in the form of a cursor, whose last group has room for any. */
function cursorOf(row: number): string {
  return `00000000-0000-8000-8000-${row.toString(16).padStart(12, "0")}`;
}

function rowOf(cursor: string): number {
  return Number.parseInt(cursor.slice(-12), 16);
}

function readVectors(
  collection: Collection,
  row: number,
  names: readonly string[],
): Record<string, Float32Array> {
  const vectors: Record<string, Float32Array> = {};
  for (const name of names) {
    const vector = readRow(packedVectors(collection, name), row);
    if (vector !== undefined) vectors[name] = vector;
  }
  return vectors;
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
