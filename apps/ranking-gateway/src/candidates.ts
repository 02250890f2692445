/** Retrieval: the products worth scoring, from the index. */
import { FUSED_VECTOR } from "@marquetry/backends/vector-index";
import type { PointFilter, PointPayload, VectorIndex } from "@marquetry/backends/vector-index";
import type { Popularity } from "./popularity.js";

export interface Candidate {
  readonly product: PointPayload;
  /** Dot product with the query vector; undefined for a product found without one. */
  readonly dot?: number;
}

export interface Candidates {
  readonly found: readonly Candidate[];
  /** Whether the index may hold further neighbours. */
  readonly more: boolean;
}

export interface CandidateQuery {
  /** What to look near to; without it popular and fresh products are all there is. */
  readonly vector?: Float32Array;
  readonly neighbours: number;
  readonly filter: PointFilter;
}

const FRESH_PRODUCTS = 50;

/**
 * The nearest products, the most popular and the freshest ones that pass the filter, each once. The
 * popular and fresh ones are asked for their similarity too, so that every score is whole.
 */
export function createFindCandidates(index: VectorIndex, collection: string) {
  return async (query: CandidateQuery, popularity: Popularity): Promise<Candidates> => {
    const { vector, neighbours, filter } = query;
    const [near, fresh, popular] = await Promise.all([
      vector === undefined ? [] : index.query(collection, { vector, using: FUSED_VECTOR, limit: neighbours, filter }),
      index.scan(collection, { orderBy: "availableFromMs", limit: FRESH_PRODUCTS, filter }),
      popularity.top(),
    ]);
    const found = new Map<string, Candidate>();
    for (const { payload, score } of near) found.set(payload.productId, { product: payload, dot: score });
    const others = new Set([...popular, ...fresh.map(({ payload }) => payload)].map(({ productId }) => productId));
    const excluded = new Set(filter.productIdsNone);
    const productIdsAny = [...others].filter((productId) => !found.has(productId) && !excluded.has(productId));
    const among = { limit: productIdsAny.length, filter: { ...filter, productIdsAny } };
    if (productIdsAny.length > 0) {
      // A product without a vector is found by `scan` alone.
      const [scanned, scored] = await Promise.all([
        index.scan(collection, { orderBy: "availableFromMs", ...among }),
        vector === undefined ? [] : index.query(collection, { vector, using: FUSED_VECTOR, ...among }),
      ]);
      for (const { payload } of scanned) found.set(payload.productId, { product: payload });
      for (const { payload, score } of scored) found.set(payload.productId, { product: payload, dot: score });
    }
    return { found: [...found.values()], more: vector !== undefined && near.length === neighbours };
  };
}

export type FindCandidates = ReturnType<typeof createFindCandidates>;
