import "reflect-metadata";
import { Module } from "@nestjs/common";
import type { DynamicModule } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { openEmbeddingCache } from "@marquetry/backends/embedding-cache/open";
import { EncoderService } from "@marquetry/contracts/encoder/encoder_service_pb";
import type { ContentModality } from "@marquetry/contracts/modalities";
import { TOPICS } from "@marquetry/contracts/topics";
import { startGrpcServer } from "@marquetry/grpc/server";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import { createBackPressure } from "./back-pressure.js";
import { createCachedEncoders } from "./cached-encoder.js";
import { encodesAllModalities } from "./config.js";
import type { EncoderConfig } from "./config.js";
import { createEncodeContent } from "./encode-content.js";
import { createEncodeProducts } from "./encode-products.js";
import { EncodeController } from "./encode.controller.js";
import { watchVideoDecoder } from "./encoders.js";
import { createEncoderEvents } from "./events.js";
import type { MediaLimits } from "./media/limits.js";
import { createMediaReader } from "./media/media-reader.js";
import {
  BACK_PRESSURE,
  CONFIG,
  CONTEXT,
  ENCODE_CONTENT,
  ENCODE_PRODUCTS,
  EVENTS,
  PORTS,
} from "./ports.js";
import type { EncoderPorts } from "./ports.js";
import { ProductChangesConsumer } from "./product-changes.consumer.js";

/** The proto's bound on a picture, and room for what stands around it. */
const REQUEST_BYTES_MAX = 8_388_608 + 1_024;

@Module({})
class EncoderModule {
  static register(
    config: EncoderConfig,
    context: ServiceContext,
    ports: EncoderPorts,
  ): DynamicModule {
    const { resource } = context;
    const events = createEncoderEvents(context);
    const media = resource(
      "media",
      createMediaReader(mediaLimits(config), { onEvent: (event) => events.mediaHappened(event) }),
    );
    const cache = resource(
      "embedding cache",
      openEmbeddingCache(config.EMBEDDING_CACHE_URL, {
        megabytes: config.EMBEDDING_CACHE_MB,
        ttlSeconds: config.EMBEDDING_CACHE_TTL_DAYS * 86_400,
        onFailure: (error) => events.cacheUnavailable(error),
      }),
      "optional",
    );
    const backPressure = createBackPressure(events);
    const encoders = createCachedEncoders(ports.encoders, { cache, events });
    const encodeProducts = createEncodeProducts({
      encoders,
      complete: encodesAllModalities(config),
      readMedia: (request) => media.read(request),
      events,
      onWaiting: (modality, waiting) => backPressure.report(modality, waiting),
      groupMax: groupMax(config),
      encodeTimeoutMs: config.ENCODER_TIMEOUT_MS,
    });
    return {
      module: EncoderModule,
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: CONTEXT, useValue: context },
        { provide: PORTS, useValue: ports },
        { provide: EVENTS, useValue: events },
        { provide: BACK_PRESSURE, useValue: backPressure },
        { provide: ENCODE_PRODUCTS, useValue: encodeProducts },
        { provide: ENCODE_CONTENT, useValue: createEncodeContent(encoders) },
        ProductChangesConsumer,
        EncodeController,
      ],
    };
  }
}

/** Starts the service on the given ports; resolves with the gRPC port when it consumes and answers. */
export async function startEncoder(
  config: EncoderConfig,
  context: ServiceContext,
  ports: EncoderPorts,
): Promise<number> {
  const { logger, resource } = context;
  await ports.bus.ensureTopics(TOPICS);
  const app = resource(
    "application",
    await NestFactory.createApplicationContext(
      EncoderModule.register(config, context, ports),
      // Nest would end the process by itself, without a word, where it cannot wire the module.
      { logger: false, abortOnError: false },
    ),
  );
  const { port } = resource(
    "gRPC server",
    await startGrpcServer({
      service: EncoderService,
      implementation: app.get(EncodeController).implementation,
      port: config.GRPC_PORT,
      requestBytesMax: REQUEST_BYTES_MAX,
    }),
  );
  if (ports.encoders.has("video")) watchVideoDecoder(config.ENCODER_FFMPEG, context);
  logger.info({ grpcPort: port }, "serving gRPC");
  return port;
}

/** Media in memory for one encoder's next run, however large each may be. */
const GROUP_BYTES_MAX = 134_217_728;

function groupMax(config: EncoderConfig): Partial<Record<ContentModality, number>> {
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
