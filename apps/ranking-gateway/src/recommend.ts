/** Recommendations for a user. */
import type { Profile } from "@marquetry/backends/profile-store";
import type { PointFilter } from "@marquetry/backends/product-index";
import {
  DegradationReason,
  Strategy,
} from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { RecommendRequest } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { Interaction } from "@marquetry/contracts/interactions";
import type { Catalogue } from "./catalogue.js";
import type { RankingGatewayEvents } from "./events.js";
import type { ToPointFilter } from "./filters.js";
import type { OpenProfileView } from "./profile-view.js";
import type { Rank, RankedProduct } from "./rank.js";

export interface Recommendation {
  readonly items: readonly RankedProduct[];
  readonly strategy: Strategy;
  readonly degradationReasons: readonly DegradationReason[];
}

export type Recommend = (request: RecommendRequest) => Promise<Recommendation>;

export function createRecommend(parts: {
  readonly catalogue: Catalogue;
  readonly openProfileView: OpenProfileView;
  readonly toPointFilter: ToPointFilter;
  readonly rank: Rank;
  readonly events: RankingGatewayEvents;
}): Recommend {
  const { catalogue, openProfileView, toPointFilter, rank, events } = parts;
  return async (request) => {
    const { limit, includeVariants, excludeSeen, excludedProductIds } = request;
    const view = openProfileView();
    const [filter, profile] = await Promise.all([
      toPointFilter(request.filter),
      view.profileOf(request.userId),
    ]);
    const near = profile?.interests ?? [];
    const seen = excludeSeen ? await seenFilter(profile?.history ?? [], includeVariants) : {};
    const productIdsNone = [...excludedProductIds, ...(seen.productIdsNone ?? [])];
    const { items, rerankerAway } = await rank(
      {
        limit,
        includeVariants,
        filter: { ...filter, ...seen, productIdsNone },
        ...(profile === undefined ? {} : { history: profile.history }),
        near,
      },
      view,
    );
    const degradationReasons = view.isAway()
      ? [DegradationReason.PROFILE_STORE_UNAVAILABLE]
      : [...reasonsOf(profile)];
    if (rerankerAway) degradationReasons.push(DegradationReason.RERANKER_UNAVAILABLE);
    for (const reason of degradationReasons) events.answerDegraded(reason);
    return {
      items,
      strategy: near.length === 0 ? Strategy.POPULAR_AND_FRESH : Strategy.PERSONALISED,
      degradationReasons,
    };
  };

  /** Leaves out the history's products, and their variants unless variants are wanted. */
  async function seenFilter(
    history: readonly Interaction[],
    includeVariants: boolean,
  ): Promise<PointFilter> {
    const productIdsNone = [...new Set(history.map(({ productId }) => productId))];
    if (includeVariants || productIdsNone.length === 0) return { productIdsNone };
    const points = await catalogue.retrieve(productIdsNone, []);
    const groups = [...points.values()].map(({ payload }) => payload.groupId);
    return { productIdsNone, groupIdsNone: [...new Set(groups)] };
  }
}

function reasonsOf(profile: Profile | undefined): readonly DegradationReason[] {
  if (profile === undefined) return [DegradationReason.UNKNOWN_USER];
  return profile.interests.length === 0 ? [DegradationReason.NO_INTEREST] : [];
}
