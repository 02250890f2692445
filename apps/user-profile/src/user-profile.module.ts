import "reflect-metadata";
import { Module } from "@nestjs/common";
import type { DynamicModule } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { bundleAt } from "@marquetry/backends/bundle/load";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import { openInterests } from "@marquetry/inference/interests";
import type { Interests } from "@marquetry/inference/interests";
import type { ProfileStore } from "@marquetry/backends/profile-store";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import { productCollection } from "@marquetry/backends/product-index";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { TOPICS } from "@marquetry/contracts/topics";
import type { Bundle } from "@marquetry/model/bundle";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import { ClickstreamConsumer } from "./clickstream.consumer.js";
import type { UserProfileConfig } from "./config.js";
import { createUserProfileEvents } from "./events.js";
import { createProductVectors } from "./product-vectors.js";
import { CONTEXT, PORTS, UPDATE_PROFILES } from "./tokens.js";
import { createUpdateProfiles } from "./update-profiles.js";

export interface UserProfilePorts {
  readonly bundle: Bundle;
  readonly bus: EventBus;
  readonly index: ProductIndex;
  readonly profiles: ProfileStore;
}

@Module({})
class UserProfileModule {
  static register(
    context: ServiceContext,
    ports: UserProfilePorts,
    interests: Interests,
  ): DynamicModule {
    const { bundle, index, profiles } = ports;
    const updateProfiles = createUpdateProfiles({
      bundle,
      interests,
      profiles,
      productVectors: createProductVectors(index, productCollection(bundle.id)),
      events: createUserProfileEvents(context),
    });
    return {
      module: UserProfileModule,
      providers: [
        { provide: CONTEXT, useValue: context },
        { provide: PORTS, useValue: ports },
        { provide: UPDATE_PROFILES, useValue: updateProfiles },
        ClickstreamConsumer,
      ],
    };
  }
}

/** Opens what the configuration names. */
export async function openUserProfilePorts(
  config: UserProfileConfig,
  { closers, logger }: ServiceContext,
): Promise<UserProfilePorts> {
  const bundle = await bundleAt(config.BUNDLE_DIR);
  const bus = openEventBus(config.EVENT_BUS_URL, { clientId: "marquetry-user-profile", logger });
  closers.add("event bus", () => bus.close());
  const index = openProductIndex(config.VECTOR_INDEX_URL, { apiKey: config.VECTOR_INDEX_API_KEY });
  closers.add("vector index", () => index.close());
  const profiles = openProfileStore(config.PROFILE_STORE_URL, {
    bundleId: bundle.id,
    ttlSeconds: config.PROFILE_TTL_DAYS * 86_400,
    popularityHalfLifeMs: bundle.ranking.popularityHalfLifeMs,
    popularityProductsMax: config.POPULARITY_PRODUCTS_MAX,
  });
  closers.add("profile store", () => profiles.close());
  return { bundle, bus, index, profiles };
}

/** Starts the service on the given ports; resolves when it consumes. */
export async function startUserProfile(
  context: ServiceContext,
  ports: UserProfilePorts,
): Promise<void> {
  const interests = await openInterests(ports.bundle);
  context.closers.add("interests", () => interests.close());
  await ports.bus.ensureTopics(TOPICS);
  const app = await NestFactory.createApplicationContext(
    UserProfileModule.register(context, ports, interests),
    {
      logger: false,
      abortOnError: false,
    },
  );
  context.closers.add("application", () => app.close());
  context.readiness.set("event bus", () => ports.bus.ping());
  context.readiness.set("vector index", () => ports.index.ping());
  context.readiness.set("profile store", () => ports.profiles.ping());
}
