import { LRUCache } from "lru-cache";
import { FUSED_VECTOR } from "@marquetry/backends/vector-index";
import type { VectorIndex } from "@marquetry/backends/vector-index";

/** Fused vectors by product id; products that the index does not have are left out. */
export type ProductVectors = (
  productIds: Iterable<string>,
) => Promise<ReadonlyMap<string, Float32Array>>;

const PRODUCTS_MAX = 20_000;
/** How long a change of a product may stay unseen by profiles. */
const KEPT_MS = 10_000;

/** Reads from the index in bulk, through a small cache: shoppers look at the same products. */
export function createProductVectors(index: VectorIndex, collection: string): ProductVectors {
  const cache = new LRUCache<string, Float32Array>({ max: PRODUCTS_MAX, ttl: KEPT_MS });
  return async (productIds) => {
    const found = new Map<string, Float32Array>();
    const missing: string[] = [];
    for (const productId of new Set(productIds)) {
      const cached = cache.get(productId);
      if (cached === undefined) missing.push(productId);
      else found.set(productId, cached);
    }
    if (missing.length === 0) return found;
    for (const [productId, point] of await index.retrieve(collection, missing, [FUSED_VECTOR])) {
      const vector = point.vectors[FUSED_VECTOR];
      if (vector === undefined) continue;
      cache.set(productId, vector);
      found.set(productId, vector);
    }
    return found;
  };
}
