import type { AvailabilityName } from "@marquetry/contracts/availability";
import type { Resource } from "@marquetry/runtime/lifecycle";

/**
 * The vector index: collections of products with named vectors and a payload.
 *
 * Guarantees of every implementation, checked by `vector-index.contract.ts`:
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
 *
 * Names of collections, aliases and vectors are 1 to 200 of the characters `A-Z a-z 0-9 _ - .`, with
 * no dot first.
 */
export interface ProductIndex extends Resource {
  /** Creates the collection and its payload indexes where they are missing. Idempotent, also where
   * several processes do it at once.
   * @throws MarquetryError `invalid` where it exists with other vectors. */
  ensureCollection(spec: CollectionSpec): Promise<void>;

  /** Writes points, in any number (batched inside). Within one call a product stands once.
   * @throws MarquetryError `invalid` for a product that stands twice, an unknown vector name or a
   * wrong dimension. */
  upsert(collection: string, points: readonly Point[]): Promise<void>;

  /** The stored points by product id, tombstones too; unknown ids are left out. `vectors` names
   * the vectors to bring along. */
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

  /** Deletes the collection, everything in it and the aliases that point at it. A name that is
   * unknown, or only an alias, is no error and deletes nothing. */
  dropCollection(collection: string): Promise<void>;

  /** Points the alias at the collection, in one step, whatever it named before. An alias stands
   * for its collection in every call that reads or writes points.
   * @throws MarquetryError `not-found` where no collection (an alias is none) has that name,
   * `invalid` where the alias is the name of a collection. The alias then stays as it was. */
  setAlias(alias: string, collection: string): Promise<void>;

  /** Resolves when the index answers. @throws MarquetryError `unavailable` */
  ping(): Promise<void>;

  /** Lets go of the connection; nothing may be called afterwards, but `close` itself. */
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

/**
 * What is kept with a product. Every field is indexed for filtering or ordering, `title`, `encoders`,
 * `outcomes` and `removedRevision` apart.
 */
export interface PointPayload {
  readonly productId: string;
  /** As of the product change; at most 2^53 - 1. */
  readonly revision: number;
  readonly removed: boolean;
  readonly title: string;
  /** Every level of every category path: "Women", "Women/Bottoms", "Women/Bottoms/Pants". */
  readonly categories: readonly string[];
  readonly brand: string;
  /** Absent where the product has none: a price filter then never passes. */
  readonly price?: number;
  readonly currency: string;
  readonly availability: AvailabilityName;
  /** Milliseconds since the epoch. */
  readonly availableFromMs: number;
  readonly groupId: string;
  /** Modalities present in the fused vector, sorted. */
  readonly modalities: readonly string[];
  /** Encoder and content digest by modality. */
  readonly encoders: Readonly<
    Record<string, { readonly encoder: string; readonly digest: string }>
  >;
  /** Of all the point was made from: equal points have equal versions, others differ (to 1e-16).
   * A whole number above 0; points of before 0.2 have none. */
  readonly version?: number;
  /** By modality, where they are not all as of `revision` or somebody must know later. */
  readonly outcomes?: Readonly<Record<string, ModalityOutcome>>;
  /** The last removal, as long as something that it removes could still arrive. */
  readonly removedRevision?: number;
}

export interface Point {
  readonly payload: PointPayload;
  readonly vectors: Readonly<Record<string, Float32Array>>;
  /** Of a write: the version of the stored point that it was made from, 0 for none. Whatever is
   * stored, unless told. Never read back. */
  readonly replaces?: number;
}

/** What is known of one modality of a product, and as of which revision. */
export interface ModalityOutcome {
  readonly revision: number;
  /** `imputed`: its vector is a guess, until there is one. */
  readonly outcome: "encoded" | "imputed" | "failed" | "absent";
  /** Of one with a vector. */
  readonly encoder?: string;
  readonly digest?: string;
  /** Digest of the vector's bytes, 53 bits. */
  readonly vectorDigest?: number;
}

/**
 * What `query` and `scan` bring: of the payload no more than products are ordered and shown by. They
 * bring hundreds of points for each answer, and reading the rest would be most of its cost.
 */
export interface FoundPoint extends Pick<Point, "vectors"> {
  readonly payload: Pick<
    PointPayload,
    "productId" | "title" | "groupId" | "modalities" | "availableFromMs"
  >;
}

export interface ScoredPoint extends FoundPoint {
  readonly score: number;
}

/** All given conditions must hold. Nothing passes an empty `...Any` list. */
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
  /** Vectors to bring along; none unless told. */
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
  /** Vectors to bring along. */
  readonly vectors: readonly string[];
  /** `next` of the page before; the first page without. */
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
