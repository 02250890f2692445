/** What the service works with, and the names under which Nest injects it. */
import { bundleAt } from "@marquetry/backends/bundle/load";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import type { ProfileStore } from "@marquetry/backends/profile-store";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import type { Bundle } from "@marquetry/model/bundle";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { UserProfileConfig } from "./config.js";

export interface UserProfilePorts {
  readonly bundle: Bundle;
  readonly bus: EventBus;
  readonly index: ProductIndex;
  readonly profiles: ProfileStore;
}

export const CONTEXT = Symbol("ServiceContext");
export const PORTS = Symbol("UserProfilePorts");
export const UPDATE_PROFILES = Symbol("UpdateProfiles");

/** Opens what the configuration names. */
export async function openUserProfilePorts(
  config: UserProfileConfig,
  { resource, logger }: ServiceContext,
): Promise<UserProfilePorts> {
  const bundle = await bundleAt(config.BUNDLE_DIR);
  const { VECTOR_INDEX_API_KEY: apiKey } = config;
  const clientId = "marquetry-user-profile";
  const profileOptions = {
    bundleId: bundle.id,
    ttlSeconds: config.PROFILE_TTL_DAYS * 86_400,
    popularityHalfLifeMs: bundle.ranking.popularityHalfLifeMs,
    popularityProductsMax: config.POPULARITY_PRODUCTS_MAX,
  };
  return {
    bundle,
    bus: resource("event bus", openEventBus(config.EVENT_BUS_URL, { clientId, logger })),
    index: resource("vector index", openProductIndex(config.VECTOR_INDEX_URL, { apiKey })),
    profiles: resource("profile store", openProfileStore(config.PROFILE_STORE_URL, profileOptions)),
  };
}
