import type { Resource } from "@marquetry/runtime/lifecycle";
import type { FoundPayload, PointPayload } from "./payload.js";

/**
 * The product index: collections of products with named vectors and a payload.
 *
 * Guarantees of every implementation, checked by `product-index.contract.ts`:
 * - **Order of writes**: a write takes effect only where no point of that product is stored or the
 *   stored revision is not above the written one. The whole point is replaced: vectors and payload
 *   keys that the write lacks are gone afterwards.
 * - **Compare and set**: a point that says what it `replaces` is written only over a point of that
 *   version. Nothing tells whether it was: read the version afterwards.
 * - **Visibility**: what a resolved write stored, every later read sees. Where a write throws, any
 *   part of it may be stored; repeating it is safe.
 * - **Tombstones**: a removed product is written as a point without vectors and `removed: true`;
 *   `retrieve` shows it, `query`, `scan`, `page` and `count` do not.
 * - **Ties**: equal scores (in `scan`, equal values of `orderBy`) come in ascending order of product
 *   id (by UTF-16 code unit). Which points of a tie come in at the limit is open.
 * - Vectors are kept as float32, unnormalised, as written (a negative zero may come back as zero).
 * - **Errors**: an unknown collection is `not-found`; an unknown vector name, a wrong dimension, a
 *   number that is not finite or a malformed name or limit is `invalid`; no answer in time, a
 *   failure of the index or a refused key is `unavailable`; a refusal to take more now is
 *   `overloaded`.
 * - **Closing**: `close()` waits for nothing: a call that has not resolved may still be carried out.
 *
 * Names of collections and vectors are 1 to 200 of the characters `A-Z a-z 0-9 _ - .`, with no dot
 * first.
 */
export interface ProductIndex extends Resource {
  /**
   * Creates the collection and its payload indexes where they are missing. Idempotent, also where
   * several processes do it at once.
   * @throws MarquetryError `invalid` where it exists with other vectors
   */
  ensureCollection(spec: CollectionSpec): Promise<void>;

  /**
   * Writes points, in any number (batched inside). Within one call a product stands once.
   * @throws MarquetryError `invalid` for a product that stands twice, an unknown vector name or a
   * wrong dimension
   */
  upsert(collection: string, points: readonly Point[]): Promise<void>;

  /**
   * The stored points by product id, tombstones too; unknown ids are left out. `vectors` names the
   * vectors to bring along.
   */
  retrieve(
    collection: string,
    productIds: readonly string[],
    vectors: readonly string[],
  ): Promise<Map<string, Point>>;

  /** The nearest points by dot product of `vector` with the named vector, best first. */
  query(collection: string, query: VectorQuery): Promise<ScoredPoint[]>;

  /** Points without a vector query, the highest value of `orderBy` first. */
  scan(collection: string, scan: Scan): Promise<FoundPoint[]>;

  /**
   * All live points, page by page, in an order of the index's own: one that is stored from the first
   * page to the last comes exactly once; one that is written or removed meanwhile may come or not.
   * @throws MarquetryError `invalid` for an `after` that no page had as its `next`
   */
  page(collection: string, request: PageRequest): Promise<Page>;

  /** How many live points pass the filter, exactly. */
  count(collection: string, filter?: PointFilter): Promise<number>;

  /** Deletes the collection and everything in it. A name that is unknown is no error. */
  dropCollection(collection: string): Promise<void>;

  /** Resolves when the index answers. @throws MarquetryError `unavailable` */
  ping(): Promise<void>;

  /** Gives up the connection; nothing may be called afterwards, but `close` itself. */
  close(): Promise<void>;
}

/** The most points one `query` or `scan` brings. */
export const LIMIT_MAX = 10_000;

export interface CollectionSpec {
  readonly name: string;
  readonly vectors: Readonly<Record<string, VectorSpec>>;
}

export interface VectorSpec {
  readonly size: number;
  /** Whether `query` gets a graph for it. Others are kept on disk; a query reads them all. */
  readonly searchable: boolean;
}

export interface Point {
  readonly payload: PointPayload;
  readonly vectors: Readonly<Record<string, Float32Array>>;
  /**
   * Of a write: the version of the stored point that it was made from, 0 for none. Never read back.
   * Default: any version.
   */
  readonly replaces?: number;
}

export interface FoundPoint extends Pick<Point, "vectors"> {
  readonly payload: FoundPayload;
}

export interface ScoredPoint extends FoundPoint {
  readonly score: number;
}

/** All conditions must hold. Nothing passes an empty `...Any` list. */
export interface PointFilter {
  readonly categoriesAny?: readonly string[];
  readonly brandsAny?: readonly string[];
  readonly priceMin?: number;
  readonly priceMax?: number;
  readonly availabilityAny?: readonly PointPayload["availability"][];
  readonly productIdsAny?: readonly string[];
  readonly productIdsNone?: readonly string[];
  readonly groupIdsNone?: readonly string[];
}

export interface VectorQuery {
  readonly vector: Float32Array;
  /** Name of the vector to compare with, a searchable one for speed. */
  readonly using: string;
  /** 1 to `LIMIT_MAX`. */
  readonly limit: number;
  readonly filter?: PointFilter;
  /** Names of the vectors to bring along. Default: none. */
  readonly vectors?: readonly string[];
}

export interface Scan {
  readonly orderBy: "availableFromMs";
  /** 1 to `LIMIT_MAX`. */
  readonly limit: number;
  readonly filter?: PointFilter;
}

export interface PageRequest {
  /** 1 to `LIMIT_MAX`. */
  readonly limit: number;
  /** Names of the vectors to bring along. */
  readonly vectors: readonly string[];
  /** `next` of the page before. Default: the first page. */
  readonly after?: string;
}

export interface Page {
  readonly points: readonly Point[];
  /** Where the next page starts; absent at the end. */
  readonly next?: string;
}

/** Name of the vector that retrieval searches; the others are named after their modality. */
export const FUSED_VECTOR = "fused";

/** The collection of one bundle's products: vectors of two bundles never meet. */
export function productCollection(bundleId: string): string {
  return `marquetry-${bundleId}`;
}
