/** Retrieval: the products worth scoring, from the catalogue. */
import { FUSED_VECTOR } from "@marquetry/backends/vector-index";
import type {
  Point,
  PointFilter,
  PointPayload,
  ScoredPoint,
} from "@marquetry/backends/vector-index";
import type { Catalogue } from "./catalogue.js";
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
  /** Whether the catalogue may hold further ones. */
  readonly more: boolean;
}

export interface CandidateQuery {
  /** What to look near to; without it popular and fresh products are all there is. */
  readonly vector?: Float32Array;
  /** Whether to bring the products' vectors along. */
  readonly withVectors: boolean;
  /** How many of the nearest products; the freshest ones are all there is without a vector. */
  readonly nearest: number;
  readonly freshest: number;
  readonly filter: PointFilter;
}

export type FindCandidates = (query: CandidateQuery, popularity: Popularity) => Promise<Candidates>;

/**
 * The nearest products, the most popular and the freshest ones that pass the filter, each once. The
 * popular and fresh ones are asked for their similarity too, so that every score is whole.
 */
export function createFindCandidates(catalogue: Catalogue): FindCandidates {
  return async (query, popularity) => {
    const { vector, withVectors, filter } = query;
    const near = async (limit: number, among: PointFilter): Promise<ScoredPoint[]> => {
      if (vector === undefined || limit === 0) return [];
      const vectors = withVectors ? [FUSED_VECTOR] : [];
      return catalogue.query({ vector, using: FUSED_VECTOR, limit, filter: among, vectors });
    };
    const scan = async (limit: number, among: PointFilter): Promise<Point[]> =>
      limit === 0 ? [] : catalogue.scan({ orderBy: "availableFromMs", limit, filter: among });

    const [nearest, fresh, popular] = await Promise.all([
      near(query.nearest, filter),
      scan(query.freshest, filter),
      popularity.top(),
    ]);
    const found = new Map<string, Candidate>();
    for (const { payload } of fresh) found.set(payload.productId, { product: payload });
    for (const point of nearest) found.set(point.payload.productId, toCandidate(point));

    const excluded = new Set(filter.productIdsNone);
    const unread = popular
      .map(({ productId }) => productId)
      .filter((productId) => !found.has(productId) && !excluded.has(productId));
    const unscored = [...found.values()]
      .filter(({ dot }) => dot === undefined)
      .map(({ product }) => product.productId)
      .concat(unread);
    // A product without a vector is found by `scan` alone.
    const [scanned, scored] = await Promise.all([
      scan(unread.length, { ...filter, productIdsAny: unread }),
      near(unscored.length, { ...filter, productIdsAny: unscored }),
    ]);
    for (const { payload } of scanned) found.set(payload.productId, { product: payload });
    for (const point of scored) found.set(point.payload.productId, toCandidate(point));
    const more =
      vector === undefined ? fresh.length === query.freshest : nearest.length === query.nearest;
    return { found: [...found.values()], more };
  };
}

function toCandidate({ payload, score, vectors }: ScoredPoint): Candidate {
  const vector = vectors[FUSED_VECTOR];
  return { product: payload, dot: score, ...(vector === undefined ? {} : { vector }) };
}
