import "reflect-metadata";
import { Module } from "@nestjs/common";
import type { DynamicModule } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { openEmbeddingCache } from "@marquetry/backends/embedding-cache/open";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import type { Encoder } from "@marquetry/inference/encoder";
import { TOPICS } from "@marquetry/contracts/topics";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import { CONTENT_MODALITIES } from "@marquetry/contracts/modalities";
import type { ContentModality } from "@marquetry/contracts/modalities";
import type { EncoderConfig } from "./config.js";
import { createEncodeContent } from "./encode-content.js";
import { EncodeController } from "./encode.controller.js";
import { createBackPressure } from "./back-pressure.js";
import { createEncodeProducts } from "./encode-products.js";
import { openEncoders, watchVideoDecoder } from "./encoders.js";
import { createEncoderEvents } from "./events.js";
import { GrpcServer } from "./grpc-server.js";
import { createMediaReader } from "./media/media-reader.js";
import type { MediaLimits } from "./media/limits.js";
import { ProductChangesConsumer } from "./product-changes.consumer.js";
import type { ConsumerSettings } from "./product-changes.consumer.js";
import {
  BACK_PRESSURE,
  CONFIG,
  CONTEXT,
  ENCODE_CONTENT,
  ENCODE_PRODUCTS,
  EVENTS,
  EVENT_BUS,
  SETTINGS,
} from "./tokens.js";

export { openEncoders } from "./encoders.js";

export interface EncoderPorts {
  readonly bus: EventBus;
  readonly encoders: ReadonlyMap<ContentModality, Encoder>;
}

@Module({})
class EncoderModule {
  static register(
    config: EncoderConfig,
    context: ServiceContext,
    ports: EncoderPorts,
  ): DynamicModule {
    const events = createEncoderEvents(context);
    const media = createMediaReader(mediaLimits(config), {
      onEvent: (event) => events.mediaHappened(event),
    });
    context.closers.add("media", () => media.close());
    const cache = openEmbeddingCache(config.EMBEDDING_CACHE_URL, {
      megabytes: config.EMBEDDING_CACHE_MB,
      ttlSeconds: config.EMBEDDING_CACHE_TTL_DAYS * 86_400,
      onFailure: (error) => events.cacheAway(error),
    });
    context.closers.add("embedding cache", () => cache.close());
    context.degradation.set("embedding cache", () => cache.ping());
    const backPressure = createBackPressure(events);
    const modalities = [...ports.encoders.keys()];
    const complete = isComplete(config);
    const encodeProducts = createEncodeProducts({
      encoders: ports.encoders,
      complete,
      readMedia: (request) => media.read(request),
      cache,
      events,
      onWaiting: (modality, waiting) => backPressure.report(modality, waiting),
      groupMax: groupMaxOf(config),
      encodeTimeoutMs: config.ENCODER_TIMEOUT_MS,
    });
    const settings: ConsumerSettings = {
      modalities,
      group: complete ? "marquetry-encoder" : `marquetry-encoder-${modalities.join("-")}`,
      consumers: config.ENCODER_CONSUMERS,
      retryDelaysMs: config.ENCODER_RETRY_DELAYS,
    };
    return {
      module: EncoderModule,
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: CONTEXT, useValue: context },
        { provide: EVENTS, useValue: events },
        { provide: EVENT_BUS, useValue: ports.bus },
        { provide: BACK_PRESSURE, useValue: backPressure },
        { provide: SETTINGS, useValue: settings },
        { provide: ENCODE_PRODUCTS, useValue: encodeProducts },
        { provide: ENCODE_CONTENT, useValue: createEncodeContent(ports.encoders, cache, events) },
        ProductChangesConsumer,
        EncodeController,
        GrpcServer,
      ],
    };
  }
}

/** A deployment that is told its modalities leaves the others to other deployments. */
function isComplete({ ENCODER_MODALITIES: told }: EncoderConfig): boolean {
  return told === undefined || CONTENT_MODALITIES.every((modality) => told.includes(modality));
}

/** Media in memory for one encoder's next run, however large each may be. */
const GROUP_BYTES_MAX = 134_217_728;

function groupMaxOf(config: EncoderConfig): Partial<Record<ContentModality, number>> {
  const of = (bytesMax: number): number =>
    Math.min(Math.max(Math.floor(GROUP_BYTES_MAX / bytesMax), 1), 16);
  return { image: of(config.MEDIA_BYTES_MAX), video: of(config.MEDIA_VIDEO_BYTES_MAX) };
}

function mediaLimits(config: EncoderConfig): MediaLimits {
  return {
    fileRoot: config.MEDIA_FILE_ROOT,
    httpHosts: config.MEDIA_HTTP_HOSTS,
    privateHosts: config.MEDIA_PRIVATE_HOSTS,
    bytesMax: { image: config.MEDIA_BYTES_MAX, video: config.MEDIA_VIDEO_BYTES_MAX },
    timeoutMs: config.MEDIA_TIMEOUT_MS,
    idleMs: config.MEDIA_IDLE_MS,
    hostReadsMax: config.MEDIA_HOST_READS_MAX,
  };
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

/** Starts the service on the given ports; resolves with the gRPC port when it consumes and answers. */
export async function startEncoder(
  config: EncoderConfig,
  context: ServiceContext,
  ports: EncoderPorts,
): Promise<number> {
  await ports.bus.ensureTopics(TOPICS);
  const app = await NestFactory.createApplicationContext(
    EncoderModule.register(config, context, ports),
    // Nest would end the process by itself, without a word, where it cannot wire the module.
    { logger: false, abortOnError: false },
  );
  context.closers.add("application", () => app.close());
  context.readiness.set("event bus", () => ports.bus.ping());
  if (ports.encoders.has("video")) watchVideoDecoder(config.ENCODER_FFMPEG, context);
  const { port } = app.get(GrpcServer);
  context.logger.info({ grpcPort: port }, "serving gRPC");
  return port;
}
