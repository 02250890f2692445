/** A gRPC client of the gateway, for the demo and the journeys. */
import { RecommendationService } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { createGrpcClient } from "@marquetry/grpc/client";
import type { UnaryCalls } from "@marquetry/grpc/client";

export interface RecommendationClient extends UnaryCalls<(typeof RecommendationService)["method"]> {
  close(): void;
}

export function createRecommendationClient(port: number): RecommendationClient {
  const { calls, close } = createGrpcClient(RecommendationService, `127.0.0.1:${port}`);
  return { ...calls, close };
}
