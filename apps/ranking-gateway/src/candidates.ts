/** Retrieval: the products worth scoring, from the catalogue. */
import { FUSED_VECTOR } from "@marquetry/backends/product-index";
import type { FoundPoint, PointFilter, ScoredPoint } from "@marquetry/backends/product-index";
import type { Catalogue } from "./catalogue.js";
import type { Popularity } from "./popularity.js";

export interface Candidate {
  readonly product: FoundPoint["payload"];
  /** Dot products with the query's vectors, in their order; undefined where there are none, or the
   * product has no vector. */
  readonly dots?: readonly number[];
  /** The fused vector, where it was asked for. */
  readonly vector?: Float32Array;
}

export interface Candidates {
  readonly found: readonly Candidate[];
  /** Whether the catalogue may hold further ones. */
  readonly more: boolean;
}

export interface CandidateQuery {
  /** What to look near to; without any, popular and fresh products are all there is. */
  readonly near: readonly Float32Array[];
  /** Whether to bring the products' vectors along. */
  readonly withVectors: boolean;
  /** How many of the nearest products of each vector. */
  readonly nearest: number;
  readonly freshest: number;
  readonly filter: PointFilter;
}

export type FindCandidates = (query: CandidateQuery, popularity: Popularity) => Promise<Candidates>;

/**
 * The products nearest to each vector, the most popular and the freshest ones that pass the filter,
 * each once. Whatever was found another way is asked for its similarity too, so that every score is
 * whole.
 */
export function createFindCandidates(catalogue: Catalogue): FindCandidates {
  return async (query, popularity) => {
    const { near, withVectors, filter } = query;
    const nearestTo = async (
      vector: Float32Array,
      limit: number,
      among: PointFilter,
    ): Promise<ScoredPoint[]> => {
      if (limit === 0) return [];
      const vectors = withVectors ? [FUSED_VECTOR] : [];
      return catalogue.query({ vector, using: FUSED_VECTOR, limit, filter: among, vectors });
    };
    const scan = async (limit: number, among: PointFilter): Promise<FoundPoint[]> =>
      limit === 0 ? [] : catalogue.scan({ orderBy: "availableFromMs", limit, filter: among });

    const [nearest, fresh, popular] = await Promise.all([
      Promise.all(near.map((vector) => nearestTo(vector, query.nearest, filter))),
      scan(query.freshest, filter),
      popularity.top(),
    ]);
    const foundIds = idsOf([...fresh, ...nearest.flat()]);
    const unread = popular
      .map(({ productId }) => productId)
      .filter((productId) => !foundIds.has(productId));
    const scored = await Promise.all(
      near.map((vector, k) => {
        const own = idsOf(nearest[k]!);
        const productIdsAny = [...foundIds, ...unread].filter((id) => !own.has(id));
        return nearestTo(vector, productIdsAny.length, { ...filter, productIdsAny });
      }),
    );
    // A product without a vector is found by `scan` alone.
    const scoredIds = idsOf(scored.flat());
    const productIdsAny = unread.filter((id) => !scoredIds.has(id));
    const scanned = await scan(productIdsAny.length, { ...filter, productIdsAny });
    const points = near.map((_, k) => [...nearest[k]!, ...scored[k]!]);
    const full = nearest.some(({ length }) => length === query.nearest);
    const more = near.length === 0 ? fresh.length === query.freshest : full;
    return { found: together([...fresh, ...scanned], points), more };
  };
}

/**
 * Each product once.
 * @param scored by query vector
 */
function together(
  scanned: readonly FoundPoint[],
  scored: readonly (readonly ScoredPoint[])[],
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const { payload } of scanned) found.set(payload.productId, { product: payload });
  const [first = [], ...others] = scored.map(
    (points) => new Map(points.map((point) => [point.payload.productId, point])),
  );
  for (const [productId, { payload, vectors, score }] of first) {
    const dots = [score, ...others.flatMap((other) => other.get(productId)?.score ?? [])];
    // One that was changed between the searches may be absent from some.
    if (dots.length < scored.length) continue;
    const vector = vectors[FUSED_VECTOR];
    found.set(productId, { product: payload, dots, ...(vector === undefined ? {} : { vector }) });
  }
  return [...found.values()];
}

function idsOf(points: readonly FoundPoint[]): Set<string> {
  return new Set(points.map(({ payload }) => payload.productId));
}
