import { Inject, Injectable } from "@nestjs/common";
import type { OnApplicationBootstrap, OnModuleDestroy } from "@nestjs/common";
import { RecommendationService } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { startGrpcServer } from "@marquetry/grpc/server";
import type { RunningGrpcServer } from "@marquetry/grpc/server";
import type { RankingGatewayConfig } from "./config.js";
import { RecommendationController } from "./recommendation.controller.js";
import { CONFIG } from "./tokens.js";

/** The gRPC server: recommendations, health and reflection. */
@Injectable()
export class GrpcServer implements OnApplicationBootstrap, OnModuleDestroy {
  #server: RunningGrpcServer | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: RankingGatewayConfig,
    @Inject(RecommendationController) private readonly controller: RecommendationController,
  ) {}

  /** The port that was taken; 0 before the start. */
  get port(): number {
    return this.#server?.port ?? 0;
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#server = await startGrpcServer({
      service: RecommendationService,
      implementation: this.controller.implementation,
      port: this.config.GRPC_PORT,
    });
  }

  async onModuleDestroy(): Promise<void> {
    await this.#server?.close();
  }
}
