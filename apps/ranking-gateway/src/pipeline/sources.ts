/** Sources: the ways to find products. A call combines them in a list. */
import type { FoundPoint, PointFilter, ScoredPoint } from "@marquetry/backends/product-index";
import type { Catalogue } from "./catalogue.js";
import type { RequestContext } from "./context.js";

export type Source = (context: RequestContext, query: SourceQuery) => Promise<Found>;

export interface SourceQuery {
  /** What products are compared with. */
  readonly near: readonly Float32Array[];
  /** Whether to bring the products' vectors along. */
  readonly withVectors: boolean;
  readonly limit: number;
  readonly filter: PointFilter;
}

export interface Found {
  /** Scored products of each vector of `near`, in the order of `near`. */
  readonly scored?: readonly (readonly ScoredPoint[])[];
  /** Products that are not scored yet. */
  readonly points?: readonly FoundPoint[];
  /** Products that are not read yet; the filter may leave them out. */
  readonly productIds?: readonly string[];
  /** Whether a higher limit may bring further products. */
  readonly more: boolean;
}

export interface Sources {
  /** The nearest products of each vector. */
  readonly nearest: Source;
  readonly freshest: Source;
  /** The same products whatever the limit. */
  readonly mostPopular: Source;
}

/** All vectors of one query share it. */
const NEAREST_MAX = 4_000;

export function createSources(catalogue: Catalogue): Sources {
  return {
    async nearest(_, { near, withVectors, limit, filter }) {
      const limitEach = Math.min(limit, Math.ceil(NEAREST_MAX / Math.max(1, near.length)));
      const search = { limit: limitEach, filter, withVectors };
      const scored = await Promise.all(near.map((vector) => catalogue.nearest(vector, search)));
      return { scored, more: scored.some(({ length }) => length === limitEach) };
    },
    async freshest(_, { limit, filter }) {
      const points = await catalogue.freshest({ limit, filter });
      return { points, more: points.length === limit };
    },
    async mostPopular({ popularity }) {
      const top = await popularity.top();
      return { productIds: top.map(({ productId }) => productId), more: false };
    },
  };
}
