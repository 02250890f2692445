/** A gRPC client of the gateway: recommendations and health. */
import { Client, credentials, status } from "@grpc/grpc-js";
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { service as healthService } from "grpc-health-check";
import type {
  RecommendRequestSchema,
  SimilarProductsRequestSchema,
} from "@marquetry/contracts/ranking/recommendation_service_pb";
import { RecommendationService } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { createGrpcClient } from "@marquetry/grpc/client";
import type { CallOptions } from "@marquetry/grpc/client";

const HEALTH_MS_MAX = 10_000;

export function createClient(port: number) {
  const address = `127.0.0.1:${port}`;
  const { calls, close } = createGrpcClient(RecommendationService, address);
  const client = new Client(address, credentials.createInsecure());

  return {
    recommend: (request: MessageInitShape<typeof RecommendRequestSchema>, options?: CallOptions) =>
      calls.recommend({ limit: 10, ...request }, options),
    similarProducts: (request: MessageInitShape<typeof SimilarProductsRequestSchema>) =>
      calls.similarProducts({ limit: 10, ...request }),
    health: (service: string) => {
      const { path, requestSerialize, responseDeserialize } = healthService["Check"]!;
      return new Promise<string>((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          (value: unknown) => requestSerialize(value as never),
          responseDeserialize as (bytes: Buffer) => { status: string },
          { service },
          { deadline: Date.now() + HEALTH_MS_MAX },
          (error, answer) => (error === null ? resolve(answer!.status) : reject(error)),
        );
      });
    },
    watchHealth: (service: string) => {
      const { path, requestSerialize, responseDeserialize } = healthService["Watch"]!;
      return client.makeServerStreamRequest(
        path,
        (value) => requestSerialize(value as never),
        responseDeserialize,
        { service },
      ) as ClientReadableStream<{ status: string }>;
    },
    openReflection: () =>
      client.makeBidiStreamRequest<Buffer, Buffer>(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        (bytes) => bytes,
        (bytes) => bytes,
      ),
    close: () => {
      close();
      client.close();
    },
  };
}

/** The status by name and the words that a call is refused with; fails where it is answered. */
export async function refusal(call: Promise<unknown>): Promise<[string | undefined, string]> {
  try {
    await call;
  } catch (error) {
    const { code, details } = error as ServiceError;
    return [status[code], details];
  }
  throw new Error("the call was answered");
}
