/** Stage 2, retrieve: the products worth scoring, each once. */
import { FUSED_VECTOR } from "@marquetry/backends/product-index";
import type { FoundPoint, ScoredPoint } from "@marquetry/backends/product-index";
import type { Catalogue } from "./catalogue.js";
import type { RequestContext } from "./context.js";
import type { Source, SourceQuery } from "./sources.js";

export interface Candidate {
  readonly product: FoundPoint["payload"];
  /** Dot products with the query's vectors, in their order; undefined where there are none, or the
   * product has no vector. */
  readonly dots?: readonly number[];
  /** The fused vector, where the query asks for it. */
  readonly vector?: Float32Array;
}

export interface Retrieved {
  readonly candidates: readonly Candidate[];
  /** Whether the catalogue may hold further ones. */
  readonly more: boolean;
}

export interface RetrieveQuery extends Omit<SourceQuery, "limit"> {
  /** The first one leads: it alone is asked for more where an answer is not full. */
  readonly sources: readonly [Source, ...Source[]];
  /** Limit of the leading source. */
  readonly reach: number;
  /** Limit of the others. */
  readonly limit: number;
}

export type Retrieve = (context: RequestContext, query: RetrieveQuery) => Promise<Retrieved>;

/**
 * Joins what the sources find. Each product is then compared with each vector that it was not found
 * by, so that every score is whole.
 */
export function createRetrieve(catalogue: Catalogue): Retrieve {
  return async (context, { sources, reach, ...query }) => {
    const { near, withVectors, filter } = query;
    const [leading, ...others] = sources;
    const found = await Promise.all([
      leading(context, { ...query, limit: reach }),
      ...others.map((source) => source(context, query)),
    ]);
    const points = found.flatMap((each) => each.points ?? []);
    const scored = near.map((_, k) => found.flatMap((each) => each.scored?.[k] ?? []));
    const foundIds = idsOf([...points, ...scored.flat()]);
    const namedIds = new Set(found.flatMap((each) => each.productIds ?? []));
    const unread = [...namedIds].filter((productId) => !foundIds.has(productId));

    const compared = await Promise.all(
      near.map((vector, k) => {
        const scoredIds = idsOf(scored[k]!);
        const productIdsAny = [...foundIds, ...unread].filter((id) => !scoredIds.has(id));
        const search = { limit: productIdsAny.length, filter: { ...filter, productIdsAny } };
        return catalogue.nearest(vector, { ...search, withVectors });
      }),
    );
    // No comparison finds a product without a vector.
    const comparedIds = idsOf(compared.flat());
    const productIdsAny = unread.filter((id) => !comparedIds.has(id));
    const vectorless = await catalogue.freshest({
      limit: productIdsAny.length,
      filter: { ...filter, productIdsAny },
    });
    const candidates = merge(
      [...points, ...vectorless],
      scored.map((each, k) => each.concat(compared[k]!)),
    );
    return { candidates, more: found[0].more };
  };
}

/** @param scored by vector of the query */
function merge(
  points: readonly FoundPoint[],
  scored: readonly (readonly ScoredPoint[])[],
): Candidate[] {
  const candidates = new Map<string, Candidate>();
  for (const { payload } of points) candidates.set(payload.productId, { product: payload });
  const [first = [], ...others] = scored.map(
    (each) => new Map(each.map((point) => [point.payload.productId, point])),
  );
  for (const [productId, { payload, vectors, score }] of first) {
    const dots = [score, ...others.flatMap((other) => other.get(productId)?.score ?? [])];
    // A product that was changed between the searches may be absent from some.
    if (dots.length < scored.length) continue;
    const vector = vectors[FUSED_VECTOR];
    const product = { product: payload, dots, ...(vector === undefined ? {} : { vector }) };
    candidates.set(productId, product);
  }
  return [...candidates.values()];
}

function idsOf(points: readonly FoundPoint[]): Set<string> {
  return new Set(points.map(({ payload }) => payload.productId));
}
