import "reflect-metadata";
import { Module } from "@nestjs/common";
import type { DynamicModule } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { RecommendationService } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { startGrpcServer } from "@marquetry/grpc/server";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { RankingGatewayConfig } from "./config.js";
import { createRankingGatewayEvents } from "./events.js";
import { createCatalogue } from "./pipeline/catalogue.js";
import { createPipeline } from "./pipeline/pipeline.js";
import { CONFIG, CONTEXT, PORTS, RECOMMEND, SIMILAR_PRODUCTS } from "./ports.js";
import type { RankingGatewayPorts } from "./ports.js";
import { createRecommend } from "./recommend.js";
import { RecommendationController } from "./recommendation.controller.js";
import { createSimilarProducts } from "./similar-products.js";

@Module({})
class RankingGatewayModule {
  static register(
    config: RankingGatewayConfig,
    context: ServiceContext,
    ports: RankingGatewayPorts,
  ): DynamicModule {
    const events = createRankingGatewayEvents(context);
    const pipeline = createPipeline({ ...ports, events });
    return {
      module: RankingGatewayModule,
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: CONTEXT, useValue: context },
        { provide: PORTS, useValue: ports },
        { provide: RECOMMEND, useValue: createRecommend(pipeline) },
        { provide: SIMILAR_PRODUCTS, useValue: createSimilarProducts(pipeline) },
        RecommendationController,
      ],
    };
  }
}

/** Starts the service on the given ports; resolves with the gRPC port. */
export async function startRankingGateway(
  config: RankingGatewayConfig,
  context: ServiceContext,
  ports: RankingGatewayPorts,
): Promise<number> {
  const { logger, readiness, resource } = context;
  const app = resource(
    "application",
    await NestFactory.createApplicationContext(
      RankingGatewayModule.register(config, context, ports),
      { logger: false, abortOnError: false },
    ),
  );
  const { port } = resource(
    "gRPC server",
    await startGrpcServer({
      service: RecommendationService,
      implementation: app.get(RecommendationController).implementation,
      port: config.GRPC_PORT,
    }),
  );
  // Fusion creates it when it first starts.
  const catalogue = createCatalogue(ports.index, ports.bundle.id);
  readiness.set("catalogue", async () => void (await catalogue.count({ brandsAny: [] })));
  logger.info({ grpcPort: port }, "serving gRPC");
  return port;
}
