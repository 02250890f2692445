import { MarquetryError } from "@marquetry/runtime/errors";
import { LIMIT_MAX } from "./product-index.js";
import type {
  CollectionSpec,
  PageRequest,
  Point,
  PointFilter,
  ProductIndex,
} from "./product-index.js";

// What is wrong in the arguments alone is refused here, before either implementation sees it:
// JSON would turn a NaN into null, and a server words the same mistake in many ways.

/** The same index with its arguments checked. */
export function withChecks(index: ProductIndex): ProductIndex {
  return {
    async ensureCollection(spec) {
      checkSpec(spec);
      await index.ensureCollection(spec);
    },
    async upsert(collection, points) {
      checkName(collection, "collection");
      checkPoints(points);
      await index.upsert(collection, points);
    },
    async retrieve(collection, productIds, vectors) {
      checkName(collection, "collection");
      return index.retrieve(collection, productIds, vectors);
    },
    async query(collection, query) {
      checkName(collection, "collection");
      checkVector(query.vector, "vector");
      checkLimit(query.limit);
      checkFilter(query.filter);
      return index.query(collection, query);
    },
    async scan(collection, scan) {
      checkName(collection, "collection");
      checkLimit(scan.limit);
      checkFilter(scan.filter);
      return index.scan(collection, scan);
    },
    async page(collection, request) {
      checkName(collection, "collection");
      checkPage(request);
      return index.page(collection, request);
    },
    async count(collection, filter) {
      checkName(collection, "collection");
      checkFilter(filter);
      return index.count(collection, filter);
    },
    async dropCollection(collection) {
      checkName(collection, "collection");
      await index.dropCollection(collection);
    },
    ping: () => index.ping(),
    close: () => index.close(),
  };
}

function checkName(name: string, field: string): void {
  if (!/^[\w-][\w.-]{0,199}$/.test(name)) {
    throw invalid(
      field,
      `must be 1 to 200 of the characters A-Z a-z 0-9 _ - . with no dot first, not "${name}"`,
    );
  }
}

function checkSpec(spec: CollectionSpec): void {
  checkName(spec.name, "name");
  for (const [name, { size }] of Object.entries(spec.vectors)) {
    checkName(name, "vectors");
    if (!Number.isSafeInteger(size) || size < 1) {
      throw invalid(`vectors.${name}.size`, "must be a positive whole number");
    }
  }
}

function checkPoints(points: readonly Point[]): void {
  const seen = new Set<string>();
  for (const { payload, vectors, replaces } of points) {
    const { productId } = payload;
    for (const [field, version] of Object.entries({ version: payload.version, replaces })) {
      if (version === undefined || (Number.isSafeInteger(version) && version >= 0)) continue;
      throw invalid(field, "must be a whole number from 0 to 2^53 - 1");
    }
    if (productId === "" || !productId.isWellFormed()) {
      throw invalid("productId", "must be text of at least one character");
    }
    if (seen.has(productId)) throw invalid("productId", `"${productId}" stands twice in one call`);
    seen.add(productId);
    if (!Number.isSafeInteger(payload.revision) || payload.revision < 0) {
      throw invalid("revision", "must be a whole number from 0 to 2^53 - 1");
    }
    if (!Number.isSafeInteger(payload.availableFromMs)) {
      throw invalid("availableFromMs", "must be a whole number of milliseconds");
    }
    checkFinite(payload.price, "price");
    for (const [name, vector] of Object.entries(vectors)) checkVector(vector, `vectors.${name}`);
  }
}

/** A UUID, which both implementations can tell from anything else. */
const CURSOR = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function checkPage({ limit, after }: PageRequest): void {
  checkLimit(limit);
  if (after === undefined || CURSOR.test(after)) return;
  throw invalid("after", "must be what a page had as its next");
}

function checkFilter(filter: PointFilter | undefined): void {
  checkFinite(filter?.priceMin, "filter.priceMin");
  checkFinite(filter?.priceMax, "filter.priceMax");
}

export function otherVectors(collection: string): MarquetryError {
  return new MarquetryError("invalid", `collection "${collection}" exists with other vectors`, {
    field: "vectors",
  });
}

function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    throw invalid("limit", `must be a whole number from 1 to ${LIMIT_MAX}`);
  }
}

function checkVector(vector: Float32Array, field: string): void {
  for (let i = 0; i < vector.length; i += 1) {
    if (!Number.isFinite(vector[i])) throw invalid(field, "must hold finite numbers only");
  }
}

function checkFinite(value: number | undefined, field: string): void {
  if (value !== undefined && !Number.isFinite(value)) {
    throw invalid(field, "must be a finite number");
  }
}

function invalid(field: string, problem: string): MarquetryError {
  return new MarquetryError("invalid", `${field} ${problem}`, { field });
}
