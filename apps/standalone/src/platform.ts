/** All four services in one process. With `memory:` backends nothing else is needed; with URLs the
 * same services run on real servers. */
import { bundleAt } from "@marquetry/backends/bundle/load";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import type { ProfileStore } from "@marquetry/backends/profile-store";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { startEncoder } from "@marquetry/encoder/app";
import { readEncoderConfig } from "@marquetry/encoder/config";
import type { EncoderConfig } from "@marquetry/encoder/config";
import { openEncoders } from "@marquetry/encoder/encoders";
import type { EncoderPorts } from "@marquetry/encoder/ports";
import { startFusion } from "@marquetry/fusion/app";
import { readFusionConfig } from "@marquetry/fusion/config";
import type { Bundle, EncoderReference } from "@marquetry/model/bundle";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { startRankingGateway } from "@marquetry/ranking-gateway/app";
import { readRankingGatewayConfig } from "@marquetry/ranking-gateway/config";
import { startService } from "@marquetry/runtime/lifecycle";
import type { RunningService, ServiceContext } from "@marquetry/runtime/lifecycle";
import { startUserProfile } from "@marquetry/user-profile/app";
import { readUserProfileConfig } from "@marquetry/user-profile/config";
import type { UserProfileConfig } from "@marquetry/user-profile/config";

export interface Platform {
  readonly bundle: Bundle;
  readonly bus: EventBus;
  readonly index: ProductIndex;
  readonly profiles: ProfileStore;
  readonly encoders: EncoderPorts["encoders"];
  /** Port of each service's health server. */
  readonly healthPorts: Readonly<Record<ServiceName, number>>;
  readonly grpcPort: number;
  /** Of the encoder's online door; 0 without an encoder. */
  readonly encoderGrpcPort: number;
  /** Closes the services against the flow of data, then the backends. */
  close(): Promise<void>;
}

export type ServiceName = "encoder" | "fusion" | "user-profile" | "ranking-gateway";

/** Variables of the four services. Health ports are free ones, so that they never collide. */
export type PlatformEnvironment = Readonly<Record<string, string | undefined>>;

const IN_PROCESS = {
  EVENT_BUS_URL: "memory:",
  VECTOR_INDEX_URL: "memory:",
  PROFILE_STORE_URL: "memory:",
};

export interface PlatformOptions {
  /** A backend that it does not name is in process. */
  readonly environment: PlatformEnvironment;
  /** Hears when a service can no longer work. */
  readonly fail: (error: unknown) => void;
  /** Another id for the bundle, which keeps platforms on the same servers apart. */
  readonly bundleId?: string;
  /** In the place of `BUNDLE_DIR`, for products that come encoded already: no encoder is started. */
  readonly bundle?: Bundle;
}

/** Starts the four services on shared backends. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const env = { ...IN_PROCESS, ...options.environment, HTTP_PORT: "0" };
  // GRPC_PORT is the gateway's here; nobody outside knows of the encoder's.
  const encoderConfig = readEncoderConfig({ ...env, GRPC_PORT: "0" });
  const fusionConfig = readFusionConfig(env);
  const userProfileConfig = readUserProfileConfig(env);
  const gatewayConfig = readRankingGatewayConfig(env);
  const services = new ServiceGroup(options.fail);
  try {
    const backends = await services.start("backends", userProfileConfig, (config, context) =>
      openBackends(options, { ...config, encoderConfig }, context),
    );
    await services.start("fusion", fusionConfig, (_, context) => startFusion(context, backends));
    const encoderGrpcPort =
      options.bundle === undefined
        ? await services.start("encoder", encoderConfig, (config, context) =>
            startEncoder(config, context, backends),
          )
        : 0;
    await services.start("user-profile", userProfileConfig, (_, context) =>
      startUserProfile(context, backends),
    );
    const grpcPort = await services.start("ranking-gateway", gatewayConfig, (config, context) =>
      startRankingGateway(config, context, backends),
    );
    const { backends: _, ...healthPorts } = services.healthPorts;
    return {
      ...backends,
      grpcPort,
      encoderGrpcPort,
      healthPorts: healthPorts as Record<ServiceName, number>,
      close: () => services.close(),
    };
  } catch (error) {
    await services.close();
    throw error;
  }
}

/** Services of one process; the one that started last is closed first. */
class ServiceGroup {
  readonly healthPorts: Record<string, number> = {};
  readonly #running: RunningService[] = [];

  constructor(private readonly fail: (error: unknown) => void) {}

  /** Resolves with what `start` does. */
  async start<Config extends { readonly HTTP_PORT: number; readonly LOG_LEVEL: string }, Result>(
    name: string,
    config: Config,
    start: (config: Config, context: ServiceContext) => Promise<Result>,
  ): Promise<Result> {
    let result: Result | undefined;
    const service = await startService(
      name,
      config,
      async (...args) => void (result = await start(...args)),
      this.fail,
    );
    this.#running.push(service);
    this.healthPorts[name] = service.healthPort;
    return result as Result;
  }

  async close(): Promise<void> {
    for (const service of this.#running.splice(0).toReversed()) await service.close();
  }
}

type Backends = Pick<Platform, "bundle" | "encoders" | "bus" | "index" | "profiles">;

/** What the four services share. */
async function openBackends(
  { bundle, bundleId }: PlatformOptions,
  config: UserProfileConfig & { readonly encoderConfig: EncoderConfig },
  { logger, resource }: ServiceContext,
): Promise<Backends> {
  const encoders: Platform["encoders"] =
    bundle === undefined ? await openEncoders(config.encoderConfig, { resource }) : new Map();
  const opened =
    bundle ?? (await bundleAt(config.BUNDLE_DIR, () => zeroShotBundle(referencesOf(encoders))));
  const id = bundleId ?? opened.id;
  const { VECTOR_INDEX_API_KEY: apiKey } = config;
  const clientId = "marquetry-standalone";
  const profileOptions = {
    bundleId: id,
    popularityHalfLifeMs: opened.ranking.popularityHalfLifeMs,
    popularityProductsMax: config.POPULARITY_PRODUCTS_MAX,
    ttlSeconds: config.PROFILE_TTL_DAYS * 86_400,
  };
  return {
    bundle: { ...opened, id },
    encoders,
    bus: resource("event bus", openEventBus(config.EVENT_BUS_URL, { clientId, logger })),
    index: resource("vector index", openProductIndex(config.VECTOR_INDEX_URL, { apiKey })),
    profiles: resource("profile store", openProfileStore(config.PROFILE_STORE_URL, profileOptions)),
  };
}

function referencesOf(encoders: Platform["encoders"]): Record<string, EncoderReference> {
  const references = [...encoders].map(
    ([modality, { manifest }]) =>
      [modality, { encoder: manifest.id, dims: manifest.dims }] as const,
  );
  return Object.fromEntries(references);
}
