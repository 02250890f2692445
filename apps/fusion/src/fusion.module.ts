import "reflect-metadata";
import { Module } from "@nestjs/common";
import type { DynamicModule } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { bundleAt } from "@marquetry/backends/bundle/load";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { TOPICS } from "@marquetry/contracts/topics";
import type { Bundle } from "@marquetry/model/bundle";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { FusionConfig } from "./config.js";
import { createFusionEvents } from "./events.js";
import { collectionOf, createFuseProducts } from "./fuse-products.js";
import { ProductEmbeddingsConsumer } from "./product-embeddings.consumer.js";
import { CONTEXT, FUSE_PRODUCTS, PORTS } from "./tokens.js";

export interface FusionPorts {
  readonly bundle: Bundle;
  readonly bus: EventBus;
  readonly index: ProductIndex;
}

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

/** Opens what the configuration names. */
export async function openFusionPorts(
  config: FusionConfig,
  { closers, logger }: ServiceContext,
): Promise<FusionPorts> {
  const bundle = await bundleAt(config.BUNDLE_DIR);
  const bus = openEventBus(config.EVENT_BUS_URL, { clientId: "marquetry-fusion", logger });
  closers.add("event bus", () => bus.close());
  const index = openProductIndex(config.VECTOR_INDEX_URL, { apiKey: config.VECTOR_INDEX_API_KEY });
  closers.add("vector index", () => index.close());
  return { bundle, bus, index };
}

/** Starts the service on the given ports; resolves when it consumes. */
export async function startFusion(context: ServiceContext, ports: FusionPorts): Promise<void> {
  await ports.bus.ensureTopics(TOPICS);
  await ports.index.ensureCollection(collectionOf(ports.bundle));
  const app = await NestFactory.createApplicationContext(FusionModule.register(context, ports), {
    logger: false,
    abortOnError: false,
  });
  context.closers.add("application", () => app.close());
  context.readiness.set("event bus", () => ports.bus.ping());
  context.readiness.set("vector index", () => ports.index.ping());
}
