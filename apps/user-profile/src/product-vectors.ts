import { FUSED_VECTOR } from "@marquetry/backends/product-index";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { createCachedVectors } from "@marquetry/backends/product-index/cached-vectors";

/** The fused vector of each product; undefined where the index has none. */
export type ProductVectors = (
  productIds: Iterable<string>,
) => Promise<ReadonlyMap<string, Float32Array | undefined>>;

const PRODUCTS_MAX = 20_000;
/** How long a change of a product may stay unseen by profiles. */
const KEPT_MS = 10_000;

export function createProductVectors(index: ProductIndex, collection: string): ProductVectors {
  const read = createCachedVectors({
    retrieve: (productIds, vectors) => index.retrieve(collection, productIds, vectors),
    vectors: [FUSED_VECTOR],
    productsMax: PRODUCTS_MAX,
    ttlMs: KEPT_MS,
  });
  return async (productIds) => {
    const ids = [...productIds];
    const found = await read(ids);
    return new Map(ids.map((productId) => [productId, found.get(productId)?.[FUSED_VECTOR]]));
  };
}
