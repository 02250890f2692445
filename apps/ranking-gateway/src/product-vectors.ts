/** Vectors of products in the re-ranker's spaces, which are named as in the index. */
import { LRUCache } from "lru-cache";
import type { Catalogue } from "./catalogue.js";

/** By product, its vectors by space; what the index does not have is missing. */
export type ProductVectors = (
  productIds: readonly string[],
) => Promise<ReadonlyMap<string, SpaceVectors>>;

type SpaceVectors = Readonly<Record<string, Float32Array>>;

/** A few kilobytes each. */
const PRODUCTS_MAX = 10_000;
/** How long a change of a product may stay unseen by the re-ranker; profiles allow as much. */
const KEPT_MS = 10_000;

/** Reads in bulk, through a small cache: the candidates of many shoppers are the same. */
export function createProductVectors(
  catalogue: Catalogue,
  spaces: readonly string[],
): ProductVectors {
  const cache = new LRUCache<string, SpaceVectors>({ max: PRODUCTS_MAX, ttl: KEPT_MS });
  return async (productIds) => {
    const vectors = new Map<string, SpaceVectors>();
    const missing = new Set<string>();
    for (const productId of productIds) {
      const kept = cache.get(productId);
      if (kept === undefined) missing.add(productId);
      else vectors.set(productId, kept);
    }
    if (missing.size === 0 || spaces.length === 0) return vectors;
    for (const [productId, point] of await catalogue.retrieve([...missing], spaces)) {
      cache.set(productId, point.vectors);
      vectors.set(productId, point.vectors);
    }
    return vectors;
  };
}
