import "reflect-metadata";
import { Module } from "@nestjs/common";
import type { DynamicModule } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { bundleAt } from "@marquetry/backends/bundle/load";
import type { ProfileStore } from "@marquetry/backends/profile-store";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import type { Bundle } from "@marquetry/model/bundle";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import { createFindCandidates } from "./candidates.js";
import { createCatalogue } from "./catalogue.js";
import type { RankingGatewayConfig } from "./config.js";
import { createRankingGatewayEvents } from "./events.js";
import { createToPointFilter } from "./filters.js";
import { GrpcServer } from "./grpc-server.js";
import { createPopularity } from "./popularity.js";
import { createOpenProfileView } from "./profile-view.js";
import { createRank } from "./rank.js";
import { createRerank } from "./rerank.js";
import { createRecommend } from "./recommend.js";
import { RecommendationController } from "./recommendation.controller.js";
import { createSimilarProducts } from "./similar-products.js";
import { CONFIG, EVENTS, PORTS, RECOMMEND, SIMILAR_PRODUCTS } from "./tokens.js";

export interface RankingGatewayPorts {
  readonly bundle: Bundle;
  readonly index: ProductIndex;
  readonly profiles: ProfileStore;
}

@Module({})
class RankingGatewayModule {
  static register(
    config: RankingGatewayConfig,
    context: ServiceContext,
    ports: RankingGatewayPorts,
  ): DynamicModule {
    const { bundle, index, profiles } = ports;
    const events = createRankingGatewayEvents(context);
    const catalogue = createCatalogue(index, bundle.id);
    const shared = {
      catalogue,
      openProfileView: createOpenProfileView({
        profiles,
        popularity: createPopularity(profiles),
        events,
      }),
      toPointFilter: createToPointFilter(catalogue),
      rank: createRank(
        bundle,
        createFindCandidates(catalogue),
        createRerank(bundle, catalogue, events),
      ),
      events,
    };
    return {
      module: RankingGatewayModule,
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: PORTS, useValue: ports },
        { provide: EVENTS, useValue: events },
        { provide: RECOMMEND, useValue: createRecommend(shared) },
        { provide: SIMILAR_PRODUCTS, useValue: createSimilarProducts(shared) },
        RecommendationController,
        GrpcServer,
      ],
    };
  }
}

/** Opens what the configuration names. */
export async function openRankingGatewayPorts(
  config: RankingGatewayConfig,
  { closers }: ServiceContext,
): Promise<RankingGatewayPorts> {
  const bundle = await bundleAt(config.BUNDLE_DIR);
  const index = openProductIndex(config.VECTOR_INDEX_URL, { apiKey: config.VECTOR_INDEX_API_KEY });
  closers.add("vector index", () => index.close());
  const profiles = openProfileStore(config.PROFILE_STORE_URL, {
    bundleId: bundle.id,
    popularityHalfLifeMs: bundle.ranking.popularityHalfLifeMs,
  });
  closers.add("profile store", () => profiles.close());
  return { bundle, index, profiles };
}

/** Starts the service on the given ports; resolves with the gRPC port that was taken. */
export async function startRankingGateway(
  config: RankingGatewayConfig,
  context: ServiceContext,
  ports: RankingGatewayPorts,
): Promise<number> {
  const app = await NestFactory.createApplicationContext(
    RankingGatewayModule.register(config, context, ports),
    {
      logger: false,
      abortOnError: false,
    },
  );
  context.closers.add("application", () => app.close());
  context.readiness.set("vector index", () => ports.index.ping());
  // Fusion creates it when it first starts.
  const catalogue = createCatalogue(ports.index, ports.bundle.id);
  context.readiness.set("catalogue", async () => void (await catalogue.count({ brandsAny: [] })));
  // Without profiles the gateway still answers with fresh products, and says so.
  context.degradation.set("profile store", () => ports.profiles.ping());
  const { port } = app.get(GrpcServer);
  context.logger.info({ grpcPort: port }, "serving gRPC");
  return port;
}
