import "reflect-metadata";
import { join } from "node:path";
import { Module } from "@nestjs/common";
import type { DynamicModule } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import { openEncoder } from "@marquetry/backends/inference";
import type { Encoder } from "@marquetry/backends/inference";
import { TOPICS } from "@marquetry/contracts/topics";
import { ConfigError } from "@marquetry/runtime/config";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { EncoderConfig } from "./config.js";
import { createEmbeddingCache } from "./embedding-cache.js";
import { createEncodeProducts } from "./encode-products.js";
import type { Modality } from "./encode-products.js";
import { createEncoderEvents } from "./events.js";
import { createMediaReader } from "./media.js";
import { ProductChangesConsumer } from "./product-changes.consumer.js";
import { CONTEXT, ENCODE_PRODUCTS, EVENT_BUS } from "./tokens.js";

export interface EncoderPorts {
  readonly bus: EventBus;
  readonly encoders: ReadonlyMap<Modality, Encoder>;
}

@Module({})
class EncoderModule {
  static register(
    config: EncoderConfig,
    context: ServiceContext,
    ports: EncoderPorts,
  ): DynamicModule {
    const encodeProducts = createEncodeProducts({
      encoders: ports.encoders,
      readMedia: createMediaReader({
        fileRoot: config.MEDIA_FILE_ROOT,
        httpHosts: config.MEDIA_HTTP_HOSTS,
        bytesMax: config.MEDIA_BYTES_MAX,
        timeoutMs: config.MEDIA_TIMEOUT_MS,
      }),
      cache: createEmbeddingCache(config.EMBEDDING_CACHE_MB),
      events: createEncoderEvents(context),
    });
    return {
      module: EncoderModule,
      providers: [
        { provide: CONTEXT, useValue: context },
        { provide: EVENT_BUS, useValue: ports.bus },
        { provide: ENCODE_PRODUCTS, useValue: encodeProducts },
        ProductChangesConsumer,
      ],
    };
  }
}

/** Opens what the configuration names. */
export async function openEncoderPorts(
  config: EncoderConfig,
  context: ServiceContext,
): Promise<EncoderPorts> {
  const bus = openEventBus(config.EVENT_BUS_URL, {
    clientId: "marquetry-encoder",
    logger: context.logger,
  });
  context.closers.add("event bus", () => bus.close());
  return { bus, encoders: await openEncoders(config, context) };
}

/** The encoders by modality, each in worker threads of its own. */
export async function openEncoders(
  config: EncoderConfig,
  { closers }: Pick<ServiceContext, "closers">,
): Promise<ReadonlyMap<Modality, Encoder>> {
  const encoders = new Map<Modality, Encoder>();
  const wanted = { text: config.ENCODER_TEXT, image: config.ENCODER_IMAGE } as const;
  for (const [modality, id] of Object.entries(wanted) as [Modality, string][]) {
    const encoder = await openEncoder({
      directory: join(config.MODELS_DIR, id),
      workers: config.ENCODER_WORKERS,
    });
    closers.add(`${modality} encoder`, () => encoder.close());
    if (encoder.manifest.modality !== modality) {
      const variable = `ENCODER_${modality.toUpperCase()}`;
      throw new ConfigError(
        `${variable}: expected an encoder of ${modality} (got "${id}", which is one of ${encoder.manifest.modality})`,
      );
    }
    encoders.set(modality, encoder);
  }
  return encoders;
}

/** Starts the service on the given ports; resolves when it consumes. */
export async function startEncoder(
  config: EncoderConfig,
  context: ServiceContext,
  ports: EncoderPorts,
): Promise<void> {
  await ports.bus.ensureTopics(TOPICS);
  const app = await NestFactory.createApplicationContext(
    EncoderModule.register(config, context, ports),
    // Nest would end the process by itself, without a word, where it cannot wire the module.
    { logger: false, abortOnError: false },
  );
  context.closers.add("application", () => app.close());
  context.readiness.set("event bus", () => ports.bus.ping());
}
