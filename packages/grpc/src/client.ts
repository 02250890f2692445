/** A client of one of our gRPC services: unary calls, each with a deadline. */
import { Client, credentials } from "@grpc/grpc-js";
import { create } from "@bufbuild/protobuf";
import type { DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import { grpcService } from "@marquetry/contracts/grpc";

/** The unary calls of a service. They reject with grpc-js's `ServiceError`. */
export type UnaryCalls<Methods extends GenServiceMethods> = {
  readonly [Name in keyof Methods]: (
    request: MessageInitShape<Methods[Name]["input"]>,
    options?: CallOptions,
  ) => Promise<MessageShape<Methods[Name]["output"]>>;
};

export interface CallOptions {
  /** Default: 10,000. */
  readonly timeoutMs?: number;
}

export interface GrpcClient<Methods extends GenServiceMethods> {
  readonly calls: UnaryCalls<Methods>;
  readonly close: () => void;
}

const CALL_MS_MAX = 10_000;

/** @param address such as `127.0.0.1:50051` or `dns:///ranking-gateway:50051` */
export function createGrpcClient<Methods extends GenServiceMethods>(
  service: GenService<Methods>,
  address: string,
): GrpcClient<Methods> {
  const client = new Client(address, credentials.createInsecure());
  const definition = grpcService(service);
  const calls = service.methods
    .filter((method): method is DescMethodUnary => method.methodKind === "unary")
    .map((method) => {
      const { path, requestSerialize, responseDeserialize } = definition[method.localName]!;
      const call = (
        request: MessageInitShape<typeof method.input>,
        { timeoutMs = CALL_MS_MAX }: CallOptions = {},
      ): Promise<unknown> =>
        new Promise((resolve, reject) => {
          client.makeUnaryRequest(
            path,
            requestSerialize as (value: unknown) => Buffer,
            responseDeserialize,
            create(method.input, request),
            { deadline: Date.now() + timeoutMs },
            (error, response) => (error === null ? resolve(response) : reject(error)),
          );
        });
      return [method.localName, call] as const;
    });
  return {
    calls: Object.fromEntries(calls) as unknown as UnaryCalls<Methods>,
    close: () => client.close(),
  };
}
