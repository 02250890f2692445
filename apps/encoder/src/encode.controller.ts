import { Inject, Injectable } from "@nestjs/common";
import type { OnModuleDestroy } from "@nestjs/common";
import { create } from "@bufbuild/protobuf";
import {
  EncodeRequestSchema,
  EncodeResponseSchema,
} from "@marquetry/contracts/encoder/encoder_service_pb";
import type { GrpcImplementation } from "@marquetry/grpc/server";
import { createUnary } from "@marquetry/grpc/unary";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { EncoderConfig } from "./config.js";
import type { EncodeContent } from "./encode-content.js";
import { watchEventLoop } from "./event-loop.js";
import type { EncoderEvents } from "./events.js";
import { CONFIG, ENCODE_CONTENT, EVENTS } from "./ports.js";

/** Beyond it an answer would come too late for whoever waits. */
const EVENT_LOOP_DELAY_MS_MAX = 250;

/** The call of `marquetry.encoder.v1.EncoderService`. */
@Injectable()
export class EncodeController implements OnModuleDestroy {
  readonly implementation: GrpcImplementation;
  readonly #eventLoop = watchEventLoop();

  constructor(
    @Inject(CONFIG) config: EncoderConfig,
    @Inject(EVENTS) events: EncoderEvents,
    @Inject(ENCODE_CONTENT) encodeContent: EncodeContent,
  ) {
    const unary = createUnary(events, config.CALLS_MAX);
    this.implementation = {
      encode: unary("Encode", EncodeRequestSchema, async ({ content }, signal) => {
        if (content.case === undefined) throw new Error("a checked request has no content");
        const delayMs = this.#eventLoop.delayMs();
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

  onModuleDestroy(): void {
    this.#eventLoop.close();
  }
}
