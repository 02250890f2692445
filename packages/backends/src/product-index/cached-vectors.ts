/** Products' vectors read in bulk through a small cache: many shoppers look at the same products. */
import { LRUCache } from "lru-cache";
import type { Point } from "./product-index.js";

/** By product and name; a product of which the index has none of the vectors is missing. */
type CachedVectors = (
  productIds: Iterable<string>,
) => Promise<ReadonlyMap<string, Point["vectors"]>>;

interface CachedVectorsOptions {
  /** As `ProductIndex.retrieve`, of one collection. */
  readonly retrieve: (
    productIds: readonly string[],
    vectors: readonly string[],
  ) => Promise<ReadonlyMap<string, Point>>;
  /** Names of the vectors. */
  readonly vectors: readonly string[];
  readonly productsMax: number;
  /** How long a change of a product may stay unseen. What has no vector yet is always read again. */
  readonly ttlMs: number;
}

export function createCachedVectors(options: CachedVectorsOptions): CachedVectors {
  const { retrieve, vectors: names, productsMax, ttlMs } = options;
  const cache = new LRUCache<string, Point["vectors"]>({ max: productsMax, ttl: ttlMs });
  return async (productIds) => {
    const found = new Map<string, Point["vectors"]>();
    const missing = new Set<string>();
    for (const productId of productIds) {
      const cached = cache.get(productId);
      if (cached === undefined) missing.add(productId);
      else found.set(productId, cached);
    }
    if (missing.size === 0 || names.length === 0) return found;
    for (const [productId, { vectors }] of await retrieve([...missing], names)) {
      if (Object.keys(vectors).length === 0) continue;
      cache.set(productId, vectors);
      found.set(productId, vectors);
    }
    return found;
  };
}
