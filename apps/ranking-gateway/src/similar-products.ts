/** Products like a given one. */
import { FUSED_VECTOR } from "@marquetry/backends/product-index";
import type { SimilarProductsRequest } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { Answer } from "./pipeline/explain.js";
import type { Pipeline } from "./pipeline/pipeline.js";

/** @throws MarquetryError `not-found` for a product that is unknown, removed or without a vector. */
export type SimilarProducts = (
  request: SimilarProductsRequest,
  signal: AbortSignal,
) => Promise<Answer>;

export function createSimilarProducts(pipeline: Pipeline): SimilarProducts {
  const { catalogue, openContext, toPointFilter, answer } = pipeline;
  const { nearest, freshest, mostPopular } = pipeline.sources;
  return async (request, signal) => {
    const { productId, limit, includeVariants, excludedProductIds } = request;
    const [filter, points, context] = await Promise.all([
      toPointFilter(request.filter),
      catalogue.retrieve([productId], [FUSED_VECTOR]),
      openContext({ signal }),
    ]);
    const point = points.get(productId);
    if (point === undefined || point.payload.removed) {
      throw notFound(productId, "is not in the catalogue");
    }
    const vector = point.vectors[FUSED_VECTOR];
    if (vector === undefined) throw notFound(productId, "has no vector yet");
    const productIdsNone = [...new Set([productId, ...excludedProductIds])];
    const groupIdsNone = includeVariants ? [] : [point.payload.groupId];
    return answer(context, {
      near: [vector],
      sources: [nearest, freshest, mostPopular],
      filter: { ...filter, productIdsNone, groupIdsNone },
      limit,
      includeVariants,
    });
  };
}

function notFound(productId: string, why: string): MarquetryError {
  return new MarquetryError("not-found", `product ${JSON.stringify(productId)} ${why}`, {
    field: "product_id",
  });
}
