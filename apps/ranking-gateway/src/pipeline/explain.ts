/** Stage 6, explain: what the answer says of each product and of itself. No I/O. */
import type { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { RequestContext } from "./context.js";
import type { ScoredProduct } from "./score.js";

export interface Answer {
  readonly items: Pick<ScoredProduct, "productId" | "title" | "score" | "parts">[];
  readonly degradationReasons: DegradationReason[];
}

/** @param products in the order of the answer */
export function explain(
  { degraded }: Pick<RequestContext, "degraded">,
  products: readonly ScoredProduct[],
): Answer {
  return {
    items: products.map(({ productId, title, score, parts }) => ({
      productId,
      title,
      score,
      parts,
    })),
    degradationReasons: degraded.reasons(),
  };
}
