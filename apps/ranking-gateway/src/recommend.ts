/** Recommendations for a user. */
import type { Behaviour, Profile, ProfileStore } from "@marquetry/backends/profile-store";
import type { PointFilter, VectorIndex } from "@marquetry/backends/vector-index";
import {
  DegradationReason,
  Strategy,
} from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { RecommendRequest } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { RankingGatewayEvents } from "./events.js";
import type { ToPointFilter } from "./filters.js";
import { NO_POPULARITY, whileStoreAnswers } from "./popularity.js";
import type { Popularity } from "./popularity.js";
import type { Rank, RankedProduct } from "./rank.js";

export interface Recommendation {
  readonly items: readonly RankedProduct[];
  readonly strategy: Strategy;
  readonly degradationReasons: readonly DegradationReason[];
}

export type Recommend = (request: RecommendRequest) => Promise<Recommendation>;

export function createRecommend(parts: {
  readonly index: VectorIndex;
  readonly collection: string;
  readonly profiles: ProfileStore;
  readonly popularity: Popularity;
  readonly toPointFilter: ToPointFilter;
  readonly rank: Rank;
  readonly events: RankingGatewayEvents;
}): Recommend {
  const { index, collection, profiles, popularity, toPointFilter, rank, events } = parts;
  return async (request) => {
    const { limit, includeVariants, excludeSeen, excludedProductIds } = request;
    const [filter, stored] = await Promise.all([
      toPointFilter(request.filter),
      whileStoreAnswers(events, () =>
        Promise.all([profiles.read([request.userId]), popularity.top()]),
      ),
    ]);
    const profile = stored?.[0][0];
    const interest = profile?.interests[0];
    const seen = excludeSeen ? await seenFilter(profile?.history ?? [], includeVariants) : {};
    const productIdsNone = [...excludedProductIds, ...(seen.productIdsNone ?? [])];
    const items = await rank(
      {
        limit,
        includeVariants,
        filter: { ...filter, ...seen, productIdsNone },
        ...(interest === undefined ? {} : { vector: interest }),
      },
      stored === undefined ? NO_POPULARITY : popularity,
    );
    const degradationReasons =
      stored === undefined
        ? [DegradationReason.PROFILE_STORE_UNAVAILABLE]
        : reasonsOf(stored[0][0]);
    for (const reason of degradationReasons) events.answerDegraded(reason);
    return {
      items,
      strategy: interest === undefined ? Strategy.POPULAR_AND_FRESH : Strategy.PERSONALISED,
      degradationReasons,
    };
  };

  /** Leaves out the history's products, and what varies them unless variants are wanted. */
  async function seenFilter(
    history: readonly Behaviour[],
    includeVariants: boolean,
  ): Promise<PointFilter> {
    const productIdsNone = [...new Set(history.map(({ productId }) => productId))];
    if (includeVariants || productIdsNone.length === 0) return { productIdsNone };
    const points = await index.retrieve(collection, productIdsNone, []);
    const groups = [...points.values()].map(({ payload }) => payload.groupId);
    return { productIdsNone, groupIdsNone: [...new Set(groups)] };
  }
}

function reasonsOf(profile: Profile | undefined): readonly DegradationReason[] {
  if (profile === undefined) return [DegradationReason.UNKNOWN_USER];
  return profile.interests.length === 0 ? [DegradationReason.NO_INTEREST] : [];
}
