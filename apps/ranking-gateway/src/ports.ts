/** What the service works with, and the names under which Nest injects it. */
import { bundleAt } from "@marquetry/backends/bundle/load";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import type { ProfileStore } from "@marquetry/backends/profile-store";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import type { Bundle } from "@marquetry/model/bundle";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { RankingGatewayConfig } from "./config.js";

export interface RankingGatewayPorts {
  readonly bundle: Bundle;
  readonly index: ProductIndex;
  readonly profiles: ProfileStore;
}

export const CONFIG = Symbol("RankingGatewayConfig");
export const CONTEXT = Symbol("ServiceContext");
export const PORTS = Symbol("RankingGatewayPorts");
export const RECOMMEND = Symbol("Recommend");
export const SIMILAR_PRODUCTS = Symbol("SimilarProducts");

/** Opens what the configuration names. */
export async function openRankingGatewayPorts(
  config: RankingGatewayConfig,
  { resource }: ServiceContext,
): Promise<RankingGatewayPorts> {
  const bundle = await bundleAt(config.BUNDLE_DIR);
  return {
    bundle,
    index: resource(
      "vector index",
      openProductIndex(config.VECTOR_INDEX_URL, { apiKey: config.VECTOR_INDEX_API_KEY }),
    ),
    // Without profiles the gateway still answers with fresh products, and says so.
    profiles: resource(
      "profile store",
      openProfileStore(config.PROFILE_STORE_URL, {
        bundleId: bundle.id,
        popularityHalfLifeMs: bundle.ranking.popularityHalfLifeMs,
      }),
      "optional",
    ),
  };
}
