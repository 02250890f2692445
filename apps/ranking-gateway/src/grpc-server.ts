import { Inject, Injectable } from "@nestjs/common";
import type { OnApplicationBootstrap, OnModuleDestroy } from "@nestjs/common";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type {
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
  handleServerStreamingCall,
} from "@grpc/grpc-js";
import type { EnumTypeDefinition } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { fileDescriptors, grpcService } from "@marquetry/contracts/grpc";
import {
  RecommendationService,
  file_marquetry_ranking_v1_recommendation_service,
} from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { RankingGatewayConfig } from "./config.js";
import { RecommendationController } from "./recommendation.controller.js";
import { CONFIG } from "./tokens.js";

/** Connections end after so long, so that clients find new replicas. */
const CONNECTION_AGE_MS_MAX = 300_000;
const CONNECTION_AGE_GRACE_MS = 30_000;
/** Calls that were accepted have so long to be answered when the server closes. */
const DRAIN_MS_MAX = 10_000;

/** Reflection looks at the descriptors alone; an enum needs nothing else beside them. */
const REFLECTED: EnumTypeDefinition = {
  format: "Protocol Buffer 3 EnumDescriptorProto",
  type: {},
  fileDescriptorProtos: fileDescriptors(file_marquetry_ranking_v1_recommendation_service),
};

/** The gRPC server: recommendations, health and reflection. */
@Injectable()
export class GrpcServer implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #server = new Server({
    "grpc.max_connection_age_ms": CONNECTION_AGE_MS_MAX,
    "grpc.max_connection_age_grace_ms": CONNECTION_AGE_GRACE_MS,
  });
  readonly #health = new HealthImplementation();
  /** Open ones of health and reflection: a client may keep them for ever. */
  readonly #streams = new Set<ServerWritableStream<unknown, unknown>>();
  #port = 0;

  constructor(
    @Inject(CONFIG) private readonly config: RankingGatewayConfig,
    @Inject(RecommendationController) private readonly controller: RecommendationController,
  ) {}

  /** The port that was taken. */
  get port(): number {
    return this.#port;
  }

  async onApplicationBootstrap(): Promise<void> {
    const definition = grpcService(RecommendationService) as unknown as ServiceDefinition;
    this.#server.addService(definition, this.controller.implementation);
    const addService = (given: ServiceDefinition, by: UntypedServiceImplementation): void =>
      this.#server.addService(given, this.#withStreamsKnown(given, by));
    // All that either does with a server is to add services to it.
    const server = { addService } as Server;
    this.#health.addToServer(server);
    new ReflectionService({ all: REFLECTED }).addToServer(server);
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(
        `0.0.0.0:${this.config.GRPC_PORT}`,
        ServerCredentials.createInsecure(),
        (error, port) => (error === null ? resolve(port) : reject(error)),
      );
    });
    for (const service of ["", RecommendationService.typeName])
      this.#health.setStatus(service, "SERVING");
  }

  async onModuleDestroy(): Promise<void> {
    for (const service of ["", RecommendationService.typeName])
      this.#health.setStatus(service, "NOT_SERVING");
    const timer = setTimeout(() => this.#server.forceShutdown(), DRAIN_MS_MAX);
    const drained = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    for (const stream of this.#streams) stream.end();
    await drained;
    clearTimeout(timer);
  }

  #withStreamsKnown(
    definition: ServiceDefinition,
    implementation: UntypedServiceImplementation,
  ): UntypedServiceImplementation {
    const known = { ...implementation };
    for (const [name, { originalName = name, responseStream }] of Object.entries(definition)) {
      const key = name in implementation ? name : originalName;
      if (!responseStream || implementation[key] === undefined) continue;
      const handle = implementation[key] as handleServerStreamingCall<unknown, unknown>;
      known[key] = (stream: ServerWritableStream<unknown, unknown>): void => {
        this.#streams.add(stream);
        for (const end of ["cancelled", "close"])
          stream.once(end, () => this.#streams.delete(stream));
        handle(stream);
      };
    }
    return known;
  }
}
