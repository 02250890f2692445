import { create, createFileRegistry, fromBinary, getOption } from "@bufbuild/protobuf";
import type { Message, MessageShape } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials, Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { sendUnaryData, ServerUnaryCall, ServiceDefinition } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { field } from "../gen/buf/validate/validate_pb.js";
import {
  file_marquetry_ranking_v1_recommendation_service,
  RecommendationService,
  RecommendRequestSchema,
  RecommendResponseSchema,
  SimilarProductsRequestSchema,
  Strategy,
} from "../gen/marquetry/ranking/v1/recommendation_service_pb.js";
import { fileDescriptors, grpcService } from "../src/grpc.js";

type Request = MessageShape<typeof RecommendRequestSchema>;
type Response = MessageShape<typeof RecommendResponseSchema>;

describe("the service over a real connection", () => {
  const server = new Server();
  const received: Request[] = [];
  let client: Client;

  beforeAll(async () => {
    server.addService(grpcService(RecommendationService) as unknown as ServiceDefinition, {
      recommend(call: ServerUnaryCall<Request, Response>, answer: sendUnaryData<Response>) {
        received.push(call.request);
        const items = [
          { productId: "ü", score: 1.5, parts: { similarity: 1.25, freshness: 0.25 } },
          ...Array.from({ length: call.request.limit }, (_, i) => ({ productId: `p${i}` })),
        ];
        answer(null, create(RecommendResponseSchema, { items, strategy: Strategy.PERSONALISED }));
      },
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  });

  afterAll(() => {
    client.close();
    server.forceShutdown();
  });

  function call(method: string, request: Message): Promise<Response> {
    const { path, requestSerialize, responseDeserialize } =
      grpcService(RecommendationService)[method]!;
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize as (message: Message) => Buffer,
        responseDeserialize as (bytes: Buffer) => Response,
        request,
        { deadline: Date.now() + 10_000 },
        (error, response) => (error === null ? resolve(response!) : reject(error)),
      );
    });
  }

  test("request and response arrive as they were sent", async () => {
    const request = create(RecommendRequestSchema, {
      userId: "user-é",
      limit: 150,
      filter: { brands: ["b"], priceMax: 9.99 },
      excludeSeen: true,
    });
    const response = await call("recommend", request);
    expect(received).toEqual([request]);
    expect(response.strategy).toBe(Strategy.PERSONALISED);
    expect(response.items).toHaveLength(151);
    expect(response.items[0]).toMatchObject({ productId: "ü", score: 1.5 });
    expect(response.items[0]?.parts).toMatchObject({ similarity: 1.25, popularity: 0 });
    expect(response.items[150]?.productId).toBe("p149");
  });

  test("a method the server lacks is answered UNIMPLEMENTED, so paths are those of the proto", async () => {
    expect(Object.keys(grpcService(RecommendationService))).toEqual([
      "recommend",
      "similarProducts",
    ]);
    expect(grpcService(RecommendationService)["similarProducts"]).toMatchObject({
      path: "/marquetry.ranking.v1.RecommendationService/SimilarProducts",
      requestStream: false,
      responseStream: false,
    });
    const request = create(SimilarProductsRequestSchema, { productId: "p", limit: 1 });
    await expect(call("similarProducts", request)).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
    });
  });
});

describe("the descriptors for reflection", () => {
  const file = fileDescriptors(file_marquetry_ranking_v1_recommendation_service).map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
  const set = create(FileDescriptorSetSchema, { file });

  test("each file once, after everything it imports, and nothing missing", () => {
    const names = set.file.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const [index, { dependency }] of set.file.entries())
      for (const imported of dependency) expect(names.slice(0, index)).toContain(imported);
    expect(names).toEqual(
      expect.arrayContaining([
        "google/protobuf/descriptor.proto",
        "google/protobuf/timestamp.proto",
        "buf/validate/validate.proto",
        "marquetry/events/v1/product.proto",
        "marquetry/ranking/v1/recommendation_service.proto",
      ]),
    );
  });

  test("a reader that knows nothing else finds the service, its messages and their rules", () => {
    const registry = createFileRegistry(set);
    const service = registry.getService("marquetry.ranking.v1.RecommendationService");
    expect(service?.methods.map(({ name }) => name)).toEqual(["Recommend", "SimilarProducts"]);
    const request = registry.getMessage("marquetry.ranking.v1.RecommendRequest");
    const limit = request?.fields.find(({ name }) => name === "limit");
    expect(getOption(limit!, field).type).toMatchObject({ case: "uint32", value: { lte: 200 } });
  });
});
