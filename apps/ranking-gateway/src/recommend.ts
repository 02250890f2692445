/** Recommendations for a user. */
import type { Profile, ProfileStore } from "@marquetry/backends/profile-store";
import {
  DegradationReason,
  Strategy,
} from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { RecommendRequest } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { toMarquetryError } from "@marquetry/runtime/errors";
import type { RankingGatewayEvents } from "./events.js";
import type { ToPointFilter } from "./filters.js";
import { NO_POPULARITY } from "./popularity.js";
import type { Popularity } from "./popularity.js";
import type { Rank, RankedProduct } from "./rank.js";

export interface Recommendation {
  readonly items: readonly RankedProduct[];
  readonly strategy: Strategy;
  readonly degradationReasons: readonly DegradationReason[];
}

export type Recommend = (request: RecommendRequest) => Promise<Recommendation>;

export function createRecommend(parts: {
  readonly profiles: ProfileStore;
  readonly popularity: Popularity;
  readonly toPointFilter: ToPointFilter;
  readonly rank: Rank;
  readonly events: RankingGatewayEvents;
}): Recommend {
  const { profiles, popularity, toPointFilter, rank, events } = parts;
  return async (request) => {
    const [filter, known] = await Promise.all([
      toPointFilter(request.filter),
      profileOf(request.userId),
    ]);
    const interest = known.profile?.interests[0];
    const seen = request.excludeSeen ? (known.profile?.history ?? []) : [];
    const productIdsNone = [
      ...request.excludedProductIds,
      ...seen.map(({ productId }) => productId),
    ];
    const items = await rank(
      {
        limit: request.limit,
        includeVariants: request.includeVariants,
        filter: {
          ...filter,
          ...(productIdsNone.length === 0 ? {} : { productIdsNone: [...new Set(productIdsNone)] }),
        },
        ...(interest === undefined ? {} : { vector: interest }),
      },
      known.popularity,
    );
    for (const reason of known.reasons) events.answerDegraded(reason);
    return {
      items,
      strategy: interest === undefined ? Strategy.POPULAR_AND_FRESH : Strategy.PERSONALISED,
      degradationReasons: known.reasons,
    };
  };

  /** The profile, or why there is none; without the store there is no popularity either. */
  async function profileOf(userId: string): Promise<{
    readonly profile?: Profile;
    readonly popularity: Popularity;
    readonly reasons: readonly DegradationReason[];
  }> {
    try {
      const [[profile]] = await Promise.all([profiles.read([userId]), popularity.top()]);
      if (profile === undefined) return { popularity, reasons: [DegradationReason.UNKNOWN_USER] };
      const reasons = profile.interests.length === 0 ? [DegradationReason.NO_INTEREST] : [];
      return { profile, popularity, reasons };
    } catch (error) {
      if (toMarquetryError(error).code !== "unavailable") throw error;
      events.profileStoreUnavailable(error);
      return { popularity: NO_POPULARITY, reasons: [DegradationReason.PROFILE_STORE_UNAVAILABLE] };
    }
  }
}
