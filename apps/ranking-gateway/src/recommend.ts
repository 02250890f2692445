/** Recommendations for a user. */
import type { Interaction } from "@marquetry/contracts/interactions";
import type { PointFilter } from "@marquetry/backends/product-index";
import { Strategy } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { RecommendRequest } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { Catalogue } from "./pipeline/catalogue.js";
import type { Answer } from "./pipeline/explain.js";
import type { Pipeline } from "./pipeline/pipeline.js";

export interface Recommendation extends Answer {
  readonly strategy: Strategy;
}

export type Recommend = (request: RecommendRequest, signal: AbortSignal) => Promise<Recommendation>;

export function createRecommend(pipeline: Pipeline): Recommend {
  const { catalogue, openContext, toPointFilter, answer } = pipeline;
  const { nearest, freshest, mostPopular } = pipeline.sources;
  return async (request, signal) => {
    const { userId, limit, includeVariants, excludeSeen, excludedProductIds } = request;
    const [filter, context] = await Promise.all([
      toPointFilter(request.filter),
      openContext({ userId, signal }),
    ]);
    const { history = [], interests: near = [] } = context.profile ?? {};
    const seen = excludeSeen ? await seenFilter(catalogue, history, includeVariants) : {};
    const productIdsNone = [...excludedProductIds, ...(seen.productIdsNone ?? [])];
    const personal = near.length > 0;
    const answered = await answer(context, {
      near,
      sources: personal ? [nearest, freshest, mostPopular] : [freshest, mostPopular],
      filter: { ...filter, ...seen, productIdsNone },
      limit,
      includeVariants,
    });
    const strategy = personal ? Strategy.PERSONALISED : Strategy.POPULAR_AND_FRESH;
    return { ...answered, strategy };
  };
}

/** Leaves out the history's products, and their variants where the answer shows no variants. */
async function seenFilter(
  catalogue: Catalogue,
  history: readonly Interaction[],
  includeVariants: boolean,
): Promise<PointFilter> {
  const productIdsNone = [...new Set(history.map(({ productId }) => productId))];
  if (includeVariants || productIdsNone.length === 0) return { productIdsNone };
  const points = await catalogue.retrieve(productIdsNone, []);
  const groups = [...points.values()].map(({ payload }) => payload.groupId);
  return { productIdsNone, groupIdsNone: [...new Set(groups)] };
}
