import "reflect-metadata";
import { Module } from "@nestjs/common";
import type { DynamicModule } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { TOPICS } from "@marquetry/contracts/topics";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import { createFusionEvents } from "./events.js";
import { createFuseProducts } from "./fuse-products.js";
import { ProductEmbeddingsConsumer } from "./product-embeddings.consumer.js";
import { CONTEXT, FUSE_PRODUCTS, PORTS } from "./ports.js";
import type { FusionPorts } from "./ports.js";
import { collectionOf } from "./product-point.js";

@Module({})
class FusionModule {
  static register(context: ServiceContext, ports: FusionPorts): DynamicModule {
    const { bundle, index } = ports;
    const events = createFusionEvents(context);
    return {
      module: FusionModule,
      providers: [
        { provide: CONTEXT, useValue: context },
        { provide: PORTS, useValue: ports },
        { provide: FUSE_PRODUCTS, useValue: createFuseProducts({ bundle, index, events }) },
        ProductEmbeddingsConsumer,
      ],
    };
  }
}

/** Starts the service on these ports; resolves when it consumes. */
export async function startFusion(context: ServiceContext, ports: FusionPorts): Promise<void> {
  await ports.bus.ensureTopics(TOPICS);
  await ports.index.ensureCollection(collectionOf(ports.bundle));
  context.resource(
    "application",
    await NestFactory.createApplicationContext(
      FusionModule.register(context, ports),
      // Nest would end the process by itself, without a word, where it cannot wire the module.
      { logger: false, abortOnError: false },
    ),
  );
}
