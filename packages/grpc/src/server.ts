/** A gRPC server of one of our services, with the health protocol and reflection beside it. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type {
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
  handleServerStreamingCall,
} from "@grpc/grpc-js";
import type { EnumTypeDefinition } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import type { DescService } from "@bufbuild/protobuf";
import { HealthImplementation } from "grpc-health-check";
import { fileDescriptors, grpcService } from "@marquetry/contracts/grpc";

/** Calls by their lower-camel-case names, each made by a `Unary`. */
export type GrpcImplementation = UntypedServiceImplementation;

export interface GrpcServerOptions {
  readonly service: DescService;
  readonly implementation: GrpcImplementation;
  /** 0 takes a free port. */
  readonly port: number;
  /** Largest message of a request. Default: 4 MiB. */
  readonly requestBytesMax?: number;
}

export interface RunningGrpcServer {
  /** The port that the server listens on. */
  readonly port: number;
  /** Says NOT_SERVING, accepts no further call, answers the accepted ones within 10 s or cuts them off. */
  close(): Promise<void>;
}

type Stream = ServerWritableStream<unknown, unknown>;

/** Connections end after so long, so that clients find new replicas. */
const CONNECTION_AGE_MS_MAX = 300_000;
const CONNECTION_AGE_GRACE_MS = 30_000;
/** Calls that were accepted have so long to be answered when the server closes. */
const DRAIN_MS_MAX = 10_000;

export async function startGrpcServer({
  service,
  implementation,
  port,
  requestBytesMax = 4_194_304,
}: GrpcServerOptions): Promise<RunningGrpcServer> {
  const server = new Server({
    "grpc.max_connection_age_ms": CONNECTION_AGE_MS_MAX,
    "grpc.max_connection_age_grace_ms": CONNECTION_AGE_GRACE_MS,
    "grpc.max_receive_message_length": requestBytesMax,
  });
  server.addService(grpcService(service) as unknown as ServiceDefinition, implementation);
  // Open ones of health and reflection: a client may keep them for ever.
  const streams = new Set<Stream>();
  const addService: Server["addService"] = (definition, calls) =>
    server.addService(definition, withTrackedStreams(definition, calls, streams));
  // All that either does with a server is to add services to it.
  const beside = { addService } as Server;
  const health = new HealthImplementation();
  health.addToServer(beside);
  new ReflectionService({ all: reflected(service) }).addToServer(beside);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`0.0.0.0:${port}`, ServerCredentials.createInsecure(), (error, listening) =>
      error === null ? resolve(listening) : reject(error),
    );
  });
  const names = ["", service.typeName];
  for (const name of names) health.setStatus(name, "SERVING");
  return {
    port: bound,
    async close() {
      for (const name of names) health.setStatus(name, "NOT_SERVING");
      const timer = setTimeout(() => server.forceShutdown(), DRAIN_MS_MAX);
      const drained = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      for (const stream of streams) stream.end();
      await drained;
      clearTimeout(timer);
    },
  };
}

/** The same calls. `streams` holds each server stream while it is open. */
function withTrackedStreams(
  definition: ServiceDefinition,
  implementation: UntypedServiceImplementation,
  streams: Set<Stream>,
): UntypedServiceImplementation {
  const tracked = { ...implementation };
  for (const [name, { originalName = name, responseStream }] of Object.entries(definition)) {
    const key = name in implementation ? name : originalName;
    if (!responseStream || implementation[key] === undefined) continue;
    const handle = implementation[key] as handleServerStreamingCall<unknown, unknown>;
    tracked[key] = (stream: Stream): void => {
      streams.add(stream);
      for (const end of ["cancelled", "close"]) stream.once(end, () => streams.delete(stream));
      handle(stream);
    };
  }
  return tracked;
}

/** Reflection looks at the descriptors alone; an enum needs nothing else beside them. */
function reflected(service: DescService): EnumTypeDefinition {
  return {
    format: "Protocol Buffer 3 EnumDescriptorProto",
    type: {},
    fileDescriptorProtos: fileDescriptors(service.file),
  };
}
