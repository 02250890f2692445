/** Retrieval: the products worth scoring, from the index. */
import { FUSED_VECTOR } from "@marquetry/backends/vector-index";
import type {
  Point,
  PointFilter,
  PointPayload,
  ScoredPoint,
  VectorIndex,
} from "@marquetry/backends/vector-index";
import type { Popularity } from "./popularity.js";

export interface Candidate {
  readonly product: PointPayload;
  /** Dot product with the query vector; undefined for a product found without one. */
  readonly dot?: number;
  /** The fused vector, where it was asked for. */
  readonly vector?: Float32Array;
}

export interface Candidates {
  readonly found: readonly Candidate[];
  /** Whether the index may hold further neighbours. */
  readonly more: boolean;
}

export interface CandidateQuery {
  /** What to look near to; without it popular and fresh products are all there is. */
  readonly vector?: Float32Array;
  /** Whether to bring the products' vectors along. */
  readonly withVectors: boolean;
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
    const { vector, withVectors, neighbours, filter } = query;
    const near = async (limit: number, among: PointFilter): Promise<ScoredPoint[]> => {
      if (vector === undefined) return [];
      const vectors = withVectors ? [FUSED_VECTOR] : [];
      return index.query(collection, {
        vector,
        using: FUSED_VECTOR,
        limit,
        filter: among,
        vectors,
      });
    };
    const scan = (limit: number, among: PointFilter): Promise<Point[]> =>
      index.scan(collection, { orderBy: "availableFromMs", limit, filter: among });

    const [nearest, fresh, popular] = await Promise.all([
      near(neighbours, filter),
      scan(FRESH_PRODUCTS, filter),
      popularity.top(),
    ]);
    const found = new Map(nearest.map((point) => [point.payload.productId, toCandidate(point)]));
    const more = vector !== undefined && nearest.length === neighbours;
    const others = new Set(
      [...popular, ...fresh.map(({ payload }) => payload)].map(({ productId }) => productId),
    );
    const excluded = new Set(filter.productIdsNone);
    const productIdsAny = [...others].filter(
      (productId) => !found.has(productId) && !excluded.has(productId),
    );
    if (productIdsAny.length === 0) return { found: [...found.values()], more };

    // A product without a vector is found by `scan` alone.
    const among = { ...filter, productIdsAny };
    const [scanned, scored] = await Promise.all([
      scan(productIdsAny.length, among),
      near(productIdsAny.length, among),
    ]);
    for (const { payload } of scanned) found.set(payload.productId, { product: payload });
    for (const point of scored) found.set(point.payload.productId, toCandidate(point));
    return { found: [...found.values()], more };
  };
}

function toCandidate({ payload, score, vectors }: ScoredPoint): Candidate {
  const vector = vectors[FUSED_VECTOR];
  return { product: payload, dot: score, ...(vector === undefined ? {} : { vector }) };
}

export type FindCandidates = ReturnType<typeof createFindCandidates>;
