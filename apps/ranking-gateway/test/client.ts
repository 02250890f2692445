/** A gRPC client of the gateway: recommendations and health. */
import { Client, credentials, status } from "@grpc/grpc-js";
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { service as healthService } from "grpc-health-check";
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

const CALL_MS_MAX = 10_000;

interface Method {
  readonly path: string;
  readonly requestSerialize: (message: never) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
}

export interface Deadline {
  readonly withinMs?: number;
}

export function createClient(port: number) {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const methods = grpcService(RecommendationService);

  function unary<Answer>(method: Method | undefined, request: unknown, within: Deadline = {}) {
    if (method === undefined) throw new Error("the service has no such method");
    const { path, requestSerialize, responseDeserialize } = method;
    const { withinMs = CALL_MS_MAX } = within;
    return new Promise<Answer>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        (value) => requestSerialize(value as never),
        responseDeserialize as (bytes: Buffer) => Answer,
        request,
        { deadline: Date.now() + withinMs },
        (error, answer) => (error === null ? resolve(answer!) : reject(error)),
      );
    });
  }

  return {
    recommend: (request: MessageInitShape<typeof RecommendRequestSchema>, within?: Deadline) =>
      unary<RecommendResponse>(
        methods["recommend"],
        create(RecommendRequestSchema, { limit: 10, ...request }),
        within,
      ),
    similarProducts: (request: MessageInitShape<typeof SimilarProductsRequestSchema>) =>
      unary<SimilarProductsResponse>(
        methods["similarProducts"],
        create(SimilarProductsRequestSchema, { limit: 10, ...request }),
      ),
    health: async (service: string) =>
      (await unary<{ status: string }>(healthService["Check"], { service })).status,
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
    close: () => client.close(),
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
