import { LRUCache } from "lru-cache";
import { FUSED_VECTOR } from "@marquetry/backends/vector-index";
import type { VectorIndex } from "@marquetry/backends/vector-index";

/** The fused vector of every product asked for; undefined where the index has none. */
export type ProductVectors = (
  productIds: Iterable<string>,
) => Promise<ReadonlyMap<string, Float32Array | undefined>>;

const PRODUCTS_MAX = 20_000;
/** How long a change of a product may stay unseen by profiles. */
const KEPT_MS = 10_000;

/** Reads from the index in bulk, through a small cache: shoppers look at the same products. */
export function createProductVectors(index: VectorIndex, collection: string): ProductVectors {
  const cache = new LRUCache<string, Float32Array>({ max: PRODUCTS_MAX, ttl: KEPT_MS });
  return async (productIds) => {
    const vectors = new Map<string, Float32Array | undefined>();
    for (const productId of productIds) vectors.set(productId, cache.get(productId));
    const missing = [...vectors.keys()].filter((productId) => vectors.get(productId) === undefined);
    if (missing.length === 0) return vectors;
    for (const [productId, point] of await index.retrieve(collection, missing, [FUSED_VECTOR])) {
      const vector = point.vectors[FUSED_VECTOR];
      if (vector === undefined) continue;
      cache.set(productId, vector);
      vectors.set(productId, vector);
    }
    return vectors;
  };
}
