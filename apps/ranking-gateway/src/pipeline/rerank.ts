/** Stage 4, rerank: the best candidates of a known user are put in order once more. */
import { createCachedVectors } from "@marquetry/backends/product-index/cached-vectors";
import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { Bundle } from "@marquetry/model/bundle";
import { neighboursById } from "@marquetry/model/ranking/neighbours";
import { rerankerParts, spacesOf } from "@marquetry/model/ranking/reranker";
import { toMarquetryError } from "@marquetry/runtime/errors";
import type { Catalogue } from "./catalogue.js";
import type { RankingGatewayEvents } from "../events.js";
import type { RequestContext } from "./context.js";
import { byScore } from "./score.js";
import type { ScoredProduct } from "./score.js";

export interface Rerank {
  /** How many candidates it puts in order. */
  readonly candidates: number;
  /**
   * The products in their new order, with the scores and parts that make it. Products behind the
   * first `candidates` stay behind, in the order in which they came. Where the vectors cannot be
   * read, the order stays and the answer is degraded.
   * @param scored best first
   */
  readonly order: (
    context: RequestContext,
    scored: readonly ScoredProduct[],
  ) => Promise<readonly ScoredProduct[]>;
}

/** With a few kilobytes of vectors each. */
const PRODUCTS_MAX = 10_000;
/** How long a change of a product may stay unseen by the re-ranker; profiles allow as much. */
const VECTORS_MS_MAX = 10_000;

/** Undefined where the bundle has no re-ranker. */
export function createRerank(
  { reranker, interests, neighbours }: Pick<Bundle, "reranker" | "interests" | "neighbours">,
  catalogue: Catalogue,
  events: RankingGatewayEvents,
): Rerank | undefined {
  if (reranker === undefined) return undefined;
  const { candidates, historyMax, features } = reranker;
  const neighboursOf = neighbours && neighboursById(neighbours);
  const readVectors = createCachedVectors({
    retrieve: (productIds, vectors) => catalogue.retrieve(productIds, vectors),
    vectors: spacesOf(Object.keys(features)),
    productsMax: PRODUCTS_MAX,
    ttlMs: VECTORS_MS_MAX,
  });

  async function vectorsOf(productIds: readonly string[]) {
    try {
      return await readVectors(productIds);
    } catch (error) {
      if (toMarquetryError(error).code !== "unavailable") throw error;
      events.rerankerVectorsUnavailable(error);
      return undefined;
    }
  }

  return {
    candidates,
    order: async ({ profile, degraded }, scored) => {
      // A product that was returned or dismissed is none that a candidate should be near to.
      const liked = (profile?.history ?? [])
        .filter(({ action }) => interests.actions[action]?.sign !== -1)
        .map(({ productId }) => productId)
        .slice(-historyMax);
      const best = scored.slice(0, candidates);
      const vectors = await vectorsOf([...liked, ...best.map(({ productId }) => productId)]);
      degraded.report(DegradationReason.RERANKER_UNAVAILABLE, vectors === undefined);
      if (vectors === undefined) return scored;
      const parts = rerankerParts(reranker, {
        history: liked,
        candidates: best.map(({ productId, popularity }) => ({ product: productId, popularity })),
        vectorOf: (space, productId) => vectors.get(productId)?.[space],
        neighboursOf,
      });
      return reorder(best, parts, scored.slice(candidates));
    },
  };
}

/**
 * Adds the parts to the best products and sorts them. Lowers the rest by as much as it takes for
 * scores to fall from first to last.
 */
function reorder(
  best: readonly ScoredProduct[],
  parts: Float64Array,
  rest: readonly ScoredProduct[],
): ScoredProduct[] {
  const reordered = best.map((product, at) => withPart(product, parts[at]!)).sort(byScore);
  const lowest = reordered.at(-1)?.score ?? 0;
  const partOfRest = Math.min(0, lowest - (rest[0]?.score ?? 0));
  return [...reordered, ...rest.map((product) => withPart(product, partOfRest))];
}

function withPart(product: ScoredProduct, reranking: number): ScoredProduct {
  const parts = { ...product.parts, reranking };
  return { ...product, parts, score: product.score + reranking };
}
