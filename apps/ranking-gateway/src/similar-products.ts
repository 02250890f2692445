/** Products like a given one. */
import { FUSED_VECTOR } from "@marquetry/backends/product-index";
import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { SimilarProductsRequest } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { Catalogue } from "./catalogue.js";
import type { RankingGatewayEvents } from "./events.js";
import type { ToPointFilter } from "./filters.js";
import type { OpenProfileView } from "./profile-view.js";
import type { Rank, RankedProduct } from "./rank.js";

export interface Similar {
  readonly items: readonly RankedProduct[];
  readonly degradationReasons: readonly DegradationReason[];
}

/** @throws MarquetryError `not-found` for a product that is unknown, removed or without a vector. */
export type SimilarProducts = (request: SimilarProductsRequest) => Promise<Similar>;

export function createSimilarProducts(parts: {
  readonly catalogue: Catalogue;
  readonly openProfileView: OpenProfileView;
  readonly toPointFilter: ToPointFilter;
  readonly rank: Rank;
  readonly events: RankingGatewayEvents;
}): SimilarProducts {
  const { catalogue, openProfileView, toPointFilter, rank, events } = parts;
  return async (request) => {
    const { productId, limit, includeVariants, excludedProductIds } = request;
    const [filter, points] = await Promise.all([
      toPointFilter(request.filter),
      catalogue.retrieve([productId], [FUSED_VECTOR]),
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
    const view = openProfileView();
    const { items } = await rank(
      {
        limit,
        includeVariants,
        near: [vector],
        filter: { ...filter, productIdsNone, groupIdsNone },
      },
      view,
    );
    const degradationReasons = view.isAway() ? [DegradationReason.PROFILE_STORE_UNAVAILABLE] : [];
    for (const reason of degradationReasons) events.answerDegraded(reason);
    return { items, degradationReasons };
  };
}
