import { Inject, Injectable } from "@nestjs/common";
import { createUnary } from "@marquetry/grpc/unary";
import type { GrpcImplementation } from "@marquetry/grpc/server";
import { create } from "@bufbuild/protobuf";
import {
  RecommendRequestSchema,
  RecommendResponseSchema,
  SimilarProductsRequestSchema,
  SimilarProductsResponseSchema,
} from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { RankingGatewayConfig } from "./config.js";
import type { RankingGatewayEvents } from "./events.js";
import type { RankedProduct } from "./rank.js";
import type { RankingGatewayPorts } from "./ranking-gateway.module.js";
import type { Recommend } from "./recommend.js";
import type { SimilarProducts } from "./similar-products.js";
import { CONFIG, EVENTS, PORTS, RECOMMEND, SIMILAR_PRODUCTS } from "./tokens.js";

/** The calls of `marquetry.ranking.v1.RecommendationService`. */
@Injectable()
export class RecommendationController {
  readonly implementation: GrpcImplementation;

  constructor(
    @Inject(CONFIG) config: RankingGatewayConfig,
    @Inject(PORTS) { bundle }: RankingGatewayPorts,
    @Inject(EVENTS) events: RankingGatewayEvents,
    @Inject(RECOMMEND) recommend: Recommend,
    @Inject(SIMILAR_PRODUCTS) similarProducts: SimilarProducts,
  ) {
    const unary = createUnary(events, config.CALLS_MAX);
    this.implementation = {
      recommend: unary("Recommend", RecommendRequestSchema, async (request) => {
        const { items, strategy, degradationReasons } = await recommend(request);
        return create(RecommendResponseSchema, {
          items: items.map(toItem),
          strategy,
          degradationReasons: [...degradationReasons],
          bundleId: bundle.id,
        });
      }),
      similarProducts: unary("SimilarProducts", SimilarProductsRequestSchema, async (request) => {
        const { items, degradationReasons } = await similarProducts(request);
        return create(SimilarProductsResponseSchema, {
          items: items.map(toItem),
          degradationReasons: [...degradationReasons],
          bundleId: bundle.id,
        });
      }),
    };
  }
}

function toItem({ productId, title, score, parts }: RankedProduct) {
  return { productId, title, score, parts };
}
