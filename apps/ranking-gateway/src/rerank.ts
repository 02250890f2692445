/** Re-ranking: the best candidates of a known user are put in order once more. */
import { createCachedVectors } from "@marquetry/backends/product-index/cached-vectors";
import type { Bundle } from "@marquetry/model/bundle";
import { neighboursById } from "@marquetry/model/ranking/neighbours";
import { rerankerParts, spacesOf } from "@marquetry/model/ranking/reranker";
import { toMarquetryError } from "@marquetry/runtime/errors";
import type { Interaction } from "@marquetry/contracts/interactions";
import type { Catalogue } from "./catalogue.js";
import type { RankingGatewayEvents } from "./events.js";
import type { ScoredProduct } from "./rank.js";

export interface Rerank {
  /** How many candidates it takes. */
  readonly candidates: number;
  /**
   * The products in their new order, their scores and parts with it. Those that it does not take
   * stay behind in the order in which they came.
   * @param history oldest first
   * @param scored best first
   * @returns undefined where the vectors cannot be read
   */
  readonly order: (
    history: readonly Interaction[],
    scored: readonly ScoredProduct[],
  ) => Promise<ScoredProduct[] | undefined>;
}

/** With a few kilobytes of vectors each. */
const PRODUCTS_MAX = 10_000;
/** How long a change of a product may stay unseen by the re-ranker; profiles allow as much. */
const KEPT_MS = 10_000;

/** Undefined where the bundle has no re-ranker. */
export function createRerank(
  { reranker, interests, neighbours }: Pick<Bundle, "reranker" | "interests" | "neighbours">,
  catalogue: Catalogue,
  events: RankingGatewayEvents,
): Rerank | undefined {
  if (reranker === undefined) return undefined;
  const { candidates, historyMax, features } = reranker;
  const neighboursOf = neighbours && neighboursById(neighbours);
  const productVectors = createCachedVectors({
    retrieve: (productIds, vectors) => catalogue.retrieve(productIds, vectors),
    vectors: spacesOf(Object.keys(features)),
    productsMax: PRODUCTS_MAX,
    keptMs: KEPT_MS,
  });

  async function vectorsOf(productIds: readonly string[]) {
    try {
      return await productVectors(productIds);
    } catch (error) {
      if (toMarquetryError(error).code !== "unavailable") throw error;
      events.rerankerVectorsUnavailable(error);
      return undefined;
    }
  }

  return {
    candidates,
    order: async (history, scored) => {
      // What was sent back or waved away is no wish that a candidate could be near to.
      const liked = history
        .filter(({ action }) => interests.actions[action]?.sign !== -1)
        .map(({ productId }) => productId)
        .slice(-historyMax);
      const taken = scored.slice(0, candidates);
      const vectors = await vectorsOf([...liked, ...taken.map(({ productId }) => productId)]);
      if (vectors === undefined) return undefined;
      const parts = rerankerParts(reranker, {
        history: liked,
        candidates: taken.map(({ productId, popularity }) => ({ product: productId, popularity })),
        vectorOf: (space, productId) => vectors.get(productId)?.[space],
        neighboursOf,
      });
      const reordered = taken
        .map((product, at) => withPart(product, parts[at]!))
        .sort((a, b) => b.score - a.score || (a.productId < b.productId ? -1 : 1));
      return [...reordered, ...behind(reordered, scored.slice(candidates))];
    },
  };
}

/** Lowers the rest as far as it takes for scores to fall from first to last. */
function behind(reordered: readonly ScoredProduct[], rest: readonly ScoredProduct[]) {
  const lowest = reordered.at(-1)?.score ?? 0;
  const part = Math.min(0, lowest - (rest[0]?.score ?? 0));
  return rest.map((product) => withPart(product, part));
}

function withPart(product: ScoredProduct, reranking: number): ScoredProduct {
  const parts = { ...product.parts, reranking };
  return { ...product, parts, score: product.score + reranking };
}
