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

/** Variables of the four services; health ports are taken freely, so that they never collide. */
export type PlatformEnvironment = Readonly<Record<string, string | undefined>>;

const EMBEDDED = {
  EVENT_BUS_URL: "memory:",
  VECTOR_INDEX_URL: "memory:",
  PROFILE_STORE_URL: "memory:",
};

export interface PlatformOptions {
  /** What `environment` leaves open is in process. */
  readonly environment: PlatformEnvironment;
  /** Hears when a service can no longer work. */
  readonly fail: (error: unknown) => void;
  /** Another id for the bundle, which keeps platforms on the same servers apart. */
  readonly bundleId?: string;
  /** In the place of `BUNDLE_DIR`, for products that come encoded already: no encoder is started. */
  readonly bundle?: Bundle;
}

/** Starts the four services on shared backends. */
export async function startPlatform({
  environment,
  fail,
  bundleId,
  bundle: given,
}: PlatformOptions): Promise<Platform> {
  const env = { ...EMBEDDED, ...environment, HTTP_PORT: "0" };
  // GRPC_PORT is the gateway's here; nobody outside knows of the encoder's.
  const encoderConfig = readEncoderConfig({ ...env, GRPC_PORT: "0" });
  const fusionConfig = readFusionConfig(env);
  const userProfileConfig = readUserProfileConfig(env);
  const gatewayConfig = readRankingGatewayConfig(env);

  const services: RunningService[] = [];
  const healthPorts: Partial<Record<ServiceName, number>> = {};
  const closeAll = async (): Promise<void> => {
    for (const service of services.splice(0).toReversed()) await service.close();
  };
  async function run<
    Config extends { readonly HTTP_PORT: number; readonly LOG_LEVEL: string },
    Result,
  >(
    name: ServiceName | "backends",
    config: Config,
    start: (config: Config, context: ServiceContext) => Promise<Result>,
  ): Promise<Result> {
    let result: Result | undefined;
    const service = await startService(
      name,
      config,
      async (...given) => void (result = await start(...given)),
      fail,
    );
    services.push(service);
    if (name !== "backends") healthPorts[name] = service.healthPort;
    return result as Result;
  }

  try {
    const backends = await run(
      "backends",
      userProfileConfig,
      async (config, { logger, resource }) => {
        const encoders =
          given === undefined ? await openEncoders(encoderConfig, { resource }) : new Map();
        const opened =
          given ??
          (await bundleAt(config.BUNDLE_DIR, () => zeroShotBundle(referencesOf(encoders))));
        const bundle = { ...opened, id: bundleId ?? opened.id };
        return {
          bundle,
          encoders,
          bus: resource(
            "event bus",
            openEventBus(config.EVENT_BUS_URL, { clientId: "marquetry-standalone", logger }),
          ),
          index: resource(
            "vector index",
            openProductIndex(config.VECTOR_INDEX_URL, { apiKey: config.VECTOR_INDEX_API_KEY }),
          ),
          profiles: resource(
            "profile store",
            openProfileStore(config.PROFILE_STORE_URL, {
              bundleId: bundle.id,
              popularityHalfLifeMs: bundle.ranking.popularityHalfLifeMs,
              popularityProductsMax: config.POPULARITY_PRODUCTS_MAX,
              ttlSeconds: config.PROFILE_TTL_DAYS * 86_400,
            }),
          ),
        };
      },
    );
    await run("fusion", fusionConfig, (_, context) => startFusion(context, backends));
    const encoderGrpcPort =
      given === undefined
        ? await run("encoder", encoderConfig, (config, context) =>
            startEncoder(config, context, backends),
          )
        : 0;
    await run("user-profile", userProfileConfig, (_, context) =>
      startUserProfile(context, backends),
    );
    const grpcPort = await run("ranking-gateway", gatewayConfig, (config, context) =>
      startRankingGateway(config, context, backends),
    );
    return {
      ...backends,
      grpcPort,
      encoderGrpcPort,
      healthPorts: healthPorts as Record<ServiceName, number>,
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function referencesOf(encoders: Platform["encoders"]): Record<string, EncoderReference> {
  const references = [...encoders].map(
    ([modality, { manifest }]) =>
      [modality, { encoder: manifest.id, dims: manifest.dims }] as const,
  );
  return Object.fromEntries(references);
}
