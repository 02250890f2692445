/** The products of one bundle, as the gateway reads them from the index. */
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import type {
  FoundPoint,
  Point,
  PointFilter,
  ProductIndex,
  ScoredPoint,
} from "@marquetry/backends/product-index";
import { MarquetryError, toMarquetryError } from "@marquetry/runtime/errors";

export interface Catalogue {
  retrieve(productIds: readonly string[], vectors: readonly string[]): Promise<Map<string, Point>>;
  /** Best first, by the dot product with the fused vectors. */
  nearest(vector: Float32Array, search: NearestSearch): Promise<ScoredPoint[]>;
  /** The latest first. */
  freshest(search: Search): Promise<FoundPoint[]>;
  count(filter: PointFilter): Promise<number>;
}

export interface Search {
  /** With 0 nothing is asked of the index. */
  readonly limit: number;
  readonly filter: PointFilter;
}

export interface NearestSearch extends Search {
  /** Whether to bring the fused vectors along. */
  readonly withVectors: boolean;
}

export function createCatalogue(index: ProductIndex, bundleId: string): Catalogue {
  const collection = productCollection(bundleId);
  return {
    retrieve: (productIds, vectors) => read(index.retrieve(collection, productIds, vectors)),
    async nearest(vector, { limit, filter, withVectors }) {
      if (limit === 0) return [];
      const vectors = withVectors ? [FUSED_VECTOR] : [];
      return read(index.query(collection, { vector, using: FUSED_VECTOR, limit, filter, vectors }));
    },
    async freshest({ limit, filter }) {
      if (limit === 0) return [];
      return read(index.scan(collection, { orderBy: "availableFromMs", limit, filter }));
    },
    count: (filter) => read(index.count(collection, filter)),
  };
}

/** A request that the index refuses is never the caller's mistake. */
async function read<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (cause) {
    const { code } = toMarquetryError(cause);
    // Fusion creates the collection when it first starts.
    if (code === "not-found")
      throw new MarquetryError("unavailable", "there is no catalogue yet", { cause });
    if (code === "invalid")
      throw new MarquetryError("internal", "an internal error happened", { cause });
    throw cause;
  }
}
