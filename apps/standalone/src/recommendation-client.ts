/** A gRPC client of the gateway, for the demo and the journeys. */
import { Client, credentials } from "@grpc/grpc-js";
import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { grpcService } from "@marquetry/contracts/grpc";
import {
  RecommendRequestSchema,
  RecommendationService,
  SimilarProductsRequestSchema,
} from "@marquetry/contracts/ranking/recommendation_service_pb";
import type {
  RecommendResponse,
  SimilarProductsResponse,
} from "@marquetry/contracts/ranking/recommendation_service_pb";

export interface RecommendationClient {
  recommend(request: MessageInitShape<typeof RecommendRequestSchema>): Promise<RecommendResponse>;
  similarProducts(
    request: MessageInitShape<typeof SimilarProductsRequestSchema>,
  ): Promise<SimilarProductsResponse>;
  close(): void;
}

const CALL_MS_MAX = 10_000;

export function createRecommendationClient(port: number): RecommendationClient {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const methods = grpcService(RecommendationService);
  function call<Response>(name: string, request: MessageShape<never>): Promise<Response> {
    const method = methods[name];
    if (method === undefined) throw new Error(`the service has no method ${name}`);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize as (value: unknown) => Buffer,
        method.responseDeserialize as (bytes: Buffer) => unknown,
        request,
        { deadline: Date.now() + CALL_MS_MAX },
        (error, response) => (error === null ? resolve(response as Response) : reject(error)),
      );
    });
  }
  return {
    recommend: (request) => call("recommend", create(RecommendRequestSchema, request) as never),
    similarProducts: (request) =>
      call("similarProducts", create(SimilarProductsRequestSchema, request) as never),
    close: () => client.close(),
  };
}
