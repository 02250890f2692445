/** Products like a given one. */
import { FUSED_VECTOR } from "@marquetry/backends/vector-index";
import type { VectorIndex } from "@marquetry/backends/vector-index";
import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { SimilarProductsRequest } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { RankingGatewayEvents } from "./events.js";
import type { ToPointFilter } from "./filters.js";
import { NO_POPULARITY, whileStoreAnswers } from "./popularity.js";
import type { Popularity } from "./popularity.js";
import type { Rank, RankedProduct } from "./rank.js";

export interface Similar {
  readonly items: readonly RankedProduct[];
  readonly degradationReasons: readonly DegradationReason[];
}

/** @throws MarquetryError `not-found` for a product that is unknown, removed or without a vector. */
export type SimilarProducts = (request: SimilarProductsRequest) => Promise<Similar>;

export function createSimilarProducts(parts: {
  readonly index: VectorIndex;
  readonly collection: string;
  readonly popularity: Popularity;
  readonly toPointFilter: ToPointFilter;
  readonly rank: Rank;
  readonly events: RankingGatewayEvents;
}): SimilarProducts {
  const { index, collection, popularity, toPointFilter, rank, events } = parts;
  return async (request) => {
    const { productId, limit, includeVariants, excludedProductIds } = request;
    const [filter, points, top] = await Promise.all([
      toPointFilter(request.filter),
      index.retrieve(collection, [productId], [FUSED_VECTOR]),
      whileStoreAnswers(events, () => popularity.top()),
    ]);
    const point = points.get(productId);
    const vector = point?.vectors[FUSED_VECTOR];
    if (point === undefined || point.payload.removed || vector === undefined) {
      const why =
        point === undefined || point.payload.removed
          ? "is not in the catalogue"
          : "has no vector yet";
      throw new MarquetryError("not-found", `product ${JSON.stringify(productId)} ${why}`, {
        field: "product_id",
      });
    }
    const productIdsNone = [...new Set([productId, ...excludedProductIds])];
    const groupIdsNone = includeVariants ? [] : [point.payload.groupId];
    const items = await rank(
      { limit, includeVariants, vector, filter: { ...filter, productIdsNone, groupIdsNone } },
      top === undefined ? NO_POPULARITY : popularity,
    );
    const degradationReasons =
      top === undefined ? [DegradationReason.PROFILE_STORE_UNAVAILABLE] : [];
    for (const reason of degradationReasons) events.answerDegraded(reason);
    return { items, degradationReasons };
  };
}
