import "reflect-metadata";
import { Module } from "@nestjs/common";
import type { DynamicModule } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { openInterests } from "@marquetry/inference/interests";
import type { Interests } from "@marquetry/inference/interests";
import { productCollection } from "@marquetry/backends/product-index";
import { TOPICS } from "@marquetry/contracts/topics";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import { ClickstreamConsumer } from "./clickstream.consumer.js";
import { createUserProfileEvents } from "./events.js";
import { CONTEXT, PORTS, UPDATE_PROFILES } from "./ports.js";
import type { UserProfilePorts } from "./ports.js";
import { createProductVectors } from "./product-vectors.js";
import { createUpdateProfiles } from "./update-profiles.js";

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

/** Starts the service on these ports; resolves when it consumes. */
export async function startUserProfile(
  context: ServiceContext,
  ports: UserProfilePorts,
): Promise<void> {
  const { resource } = context;
  const interests = resource("interests", await openInterests(ports.bundle));
  await ports.bus.ensureTopics(TOPICS);
  resource(
    "application",
    await NestFactory.createApplicationContext(
      UserProfileModule.register(context, ports, interests),
      // Nest would end the process by itself, without a word, where it cannot wire the module.
      { logger: false, abortOnError: false },
    ),
  );
}
