/**
 * The vector index: collections of products with named vectors and a payload.
 *
 * Guarantees of every implementation, checked by `vector-index.contract.ts`:
 * - **Order of writes**: a write takes effect only where no point of that product is stored or the
 *   stored revision is not above the written one. The whole point is replaced: vectors and payload
 *   keys that the write lacks are gone afterwards.
 * - **Visibility**: what a resolved write stored, every later read sees.
 * - **Tombstones**: a removed product is written as a point without vectors and `removed: true`;
 *   `retrieve` shows it, `query`, `scan` and `count` do not.
 * - **Ties**: equal scores come in ascending order of product id.
 * - Vectors are kept as float32, unnormalised, as written.
 */
export interface VectorIndex {
  /** Creates the collection and its payload indexes where they are missing. Idempotent.
   * @throws MarquetryError `invalid` where it exists with other vectors. */
  ensureCollection(spec: CollectionSpec): Promise<void>;

  /** Writes points, in any number (batched inside). Within one call a product stands once.
   * @throws MarquetryError `invalid` for an unknown vector name or a wrong dimension. */
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
  scan(collection: string, scan: Scan): Promise<Point[]>;

  /** How many live points pass the filter, exactly. */
  count(collection: string, filter?: PointFilter): Promise<number>;

  /** Deletes the collection and everything in it; unknown names are no error. */
  dropCollection(collection: string): Promise<void>;

  /** Points the alias at the collection, in one step, whatever it named before. An alias stands
   * for its collection in every other call. */
  setAlias(alias: string, collection: string): Promise<void>;

  /** Resolves when the index answers. @throws MarquetryError `unavailable` */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface CollectionSpec {
  readonly name: string;
  readonly vectors: Readonly<Record<string, VectorSpec>>;
}

export interface VectorSpec {
  readonly size: number;
  /** Whether `query` may use it; others are only kept (on disk, without a graph). */
  readonly searchable: boolean;
}

/**
 * What is kept with a product. Every field is indexed for filtering or ordering, `title` and
 * `encoders` apart.
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
  readonly availability: "in-stock" | "out-of-stock" | "preorder";
  /** Milliseconds since the epoch. */
  readonly availableFromMs: number;
  readonly groupId: string;
  /** Modalities present in the fused vector, sorted. */
  readonly modalities: readonly string[];
  /** Encoder and content digest by modality. */
  readonly encoders: Readonly<Record<string, { readonly encoder: string; readonly digest: string }>>;
}

export interface Point {
  readonly payload: PointPayload;
  readonly vectors: Readonly<Record<string, Float32Array>>;
}

export interface ScoredPoint extends Point {
  readonly score: number;
}

/** All given conditions must hold. */
export interface PointFilter {
  readonly categoriesAny?: readonly string[];
  readonly brandsAny?: readonly string[];
  readonly priceMin?: number;
  readonly priceMax?: number;
  readonly availabilityAny?: readonly PointPayload["availability"][];
  readonly productIdsAny?: readonly string[];
  readonly productIdsNone?: readonly string[];
}

export interface VectorQuery {
  readonly vector: Float32Array;
  /** Name of a searchable vector. */
  readonly using: string;
  readonly limit: number;
  readonly filter?: PointFilter;
  /** Vectors to bring along; none unless told. */
  readonly vectors?: readonly string[];
}

export interface Scan {
  readonly orderBy: "availableFromMs";
  readonly limit: number;
  readonly filter?: PointFilter;
}
