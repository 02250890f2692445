import { Inject, Injectable } from "@nestjs/common";
import { createCallEvents } from "@marquetry/grpc/call-events";
import { createUnary } from "@marquetry/grpc/unary";
import type { GrpcImplementation } from "@marquetry/grpc/server";
import { create } from "@bufbuild/protobuf";
import {
  RecommendRequestSchema,
  RecommendResponseSchema,
  SimilarProductsRequestSchema,
  SimilarProductsResponseSchema,
} from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { RankingGatewayConfig } from "./config.js";
import { CONFIG, CONTEXT, PORTS, RECOMMEND, SIMILAR_PRODUCTS } from "./ports.js";
import type { RankingGatewayPorts } from "./ports.js";
import type { Recommend } from "./recommend.js";
import type { SimilarProducts } from "./similar-products.js";

/** The calls of `marquetry.ranking.v1.RecommendationService`. */
@Injectable()
export class RecommendationController {
  readonly implementation: GrpcImplementation;

  constructor(
    @Inject(CONFIG) config: RankingGatewayConfig,
    @Inject(PORTS) { bundle }: RankingGatewayPorts,
    @Inject(CONTEXT) context: ServiceContext,
    @Inject(RECOMMEND) recommend: Recommend,
    @Inject(SIMILAR_PRODUCTS) similarProducts: SimilarProducts,
  ) {
    const unary = createUnary(createCallEvents(context), config.CALLS_MAX);
    this.implementation = {
      recommend: unary("Recommend", RecommendRequestSchema, async (request, signal) =>
        create(RecommendResponseSchema, {
          ...(await recommend(request, signal)),
          bundleId: bundle.id,
        }),
      ),
      similarProducts: unary(
        "SimilarProducts",
        SimilarProductsRequestSchema,
        async (request, signal) =>
          create(SimilarProductsResponseSchema, {
            ...(await similarProducts(request, signal)),
            bundleId: bundle.id,
          }),
      ),
    };
  }
}
