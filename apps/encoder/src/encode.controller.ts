import { Inject, Injectable } from "@nestjs/common";
import { create } from "@bufbuild/protobuf";
import {
  EncodeRequestSchema,
  EncodeResponseSchema,
} from "@marquetry/contracts/encoder/encoder_service_pb";
import { createCallEvents } from "@marquetry/grpc/call-events";
import type { GrpcImplementation } from "@marquetry/grpc/server";
import { createUnary } from "@marquetry/grpc/unary";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { EncoderConfig } from "./config.js";
import type { EncodeContent } from "./encode-content.js";
import { watchEventLoop } from "./event-loop.js";
import { CONFIG, CONTEXT, ENCODE_CONTENT } from "./ports.js";

/** Beyond it an answer would come too late for whoever waits. */
const EVENT_LOOP_DELAY_MS_MAX = 250;

/** The call of `marquetry.encoder.v1.EncoderService`. */
@Injectable()
export class EncodeController {
  readonly implementation: GrpcImplementation;

  constructor(
    @Inject(CONFIG) config: EncoderConfig,
    @Inject(CONTEXT) context: ServiceContext,
    @Inject(ENCODE_CONTENT) encodeContent: EncodeContent,
  ) {
    const eventLoop = context.resource("event loop", watchEventLoop());
    const unary = createUnary(createCallEvents(context), config.CALLS_MAX);
    this.implementation = {
      encode: unary("Encode", EncodeRequestSchema, async ({ content }, signal) => {
        if (content.case === undefined) throw new Error("a checked request has no content");
        const delayMs = eventLoop.delayMs();
        if (delayMs > EVENT_LOOP_DELAY_MS_MAX)
          throw new MarquetryError("overloaded", `the encoder is ${delayMs.toFixed()} ms late`);
        const { encoder, vector } = await encodeContent(content.case, content.value, signal);
        return create(EncodeResponseSchema, {
          encoder: encoder.id,
          embeddingSpace: encoder.space ?? encoder.id,
          dims: vector.length,
          vector: vectorToBytes(vector),
        });
      }),
    };
  }
}
