/** Our generated services in the form that @grpc/grpc-js takes, for servers and clients. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescFile, DescMessage, DescService, MessageShape } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

interface GrpcMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (message: never) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => MessageShape<DescMessage>;
  readonly responseSerialize: (message: never) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => MessageShape<DescMessage>;
}

/** A grpc-js `ServiceDefinition`, methods under their lower-camel-case names. */
export function grpcService(service: DescService): Record<string, GrpcMethod> {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream:
          method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream:
          method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        requestSerialize: serializer(method.input),
        requestDeserialize: deserializer(method.input),
        responseSerialize: serializer(method.output),
        responseDeserialize: deserializer(method.output),
      },
    ]),
  );
}

/** The file and everything it imports, each as a `google.protobuf.FileDescriptorProto`, for
 * reflection; imports first. */
export function fileDescriptors(file: DescFile): Buffer[] {
  const files = new Map<string, DescFile>();
  const visit = (each: DescFile): void => {
    if (files.has(each.name)) return;
    each.dependencies.forEach(visit);
    files.set(each.name, each);
  };
  visit(file);
  const serialize = serializer(FileDescriptorProtoSchema);
  return [...files.values()].map((each) => serialize(each.proto as never));
}

function serializer(schema: DescMessage): (message: never) => Buffer {
  return (message) => {
    const { buffer, byteOffset, byteLength } = toBinary(schema, message);
    return Buffer.from(buffer, byteOffset, byteLength);
  };
}

function deserializer(schema: DescMessage): (bytes: Buffer) => MessageShape<DescMessage> {
  return (bytes) => fromBinary(schema, bytes);
}
