import { toBinary } from "@bufbuild/protobuf";
import { Inject, Injectable } from "@nestjs/common";
import type { OnApplicationBootstrap, OnModuleDestroy } from "@nestjs/common";
import type {
  ConsumedRecord,
  Consumer,
  EventBus,
  OutgoingRecord,
  Rejection,
} from "@marquetry/backends/event-bus";
import { consumeObserved } from "@marquetry/backends/event-bus/observation";
import { FailureCause, ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { PRODUCT_CHANGES, PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";
import { decodeBatch } from "@marquetry/contracts/validation";
import type { EncodeProducts } from "./encode-products.js";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import { CONTEXT, ENCODE_PRODUCTS, EVENT_BUS } from "./tokens.js";

const TRACE_HEADERS = new Set(["traceparent", "tracestate"]);

/** Product changes from the bus through the use-case to the topic of embeddings. */
@Injectable()
export class ProductChangesConsumer implements OnApplicationBootstrap, OnModuleDestroy {
  #consumer: Consumer | undefined;

  constructor(
    @Inject(CONTEXT) private readonly context: ServiceContext,
    @Inject(EVENT_BUS) private readonly bus: EventBus,
    @Inject(ENCODE_PRODUCTS) private readonly encodeProducts: EncodeProducts,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.#consumer = await consumeObserved(
      this.bus,
      {
        topic: PRODUCT_CHANGES.name,
        group: "marquetry-encoder",
        handler: (records) => this.#handle(records),
        batchRecordsMax: 64,
      },
      this.context,
    );
  }

  async onModuleDestroy(): Promise<void> {
    await this.#consumer?.close();
  }

  async #handle(records: readonly ConsumedRecord[]): Promise<Rejection[]> {
    const { accepted, rejected } = decodeBatch(PRODUCT_CHANGES.schema, records);
    const embedded = await this.encodeProducts(accepted.map(({ message }) => message));
    const rejections: Rejection[] = [...rejected];
    const outgoing: OutgoingRecord[] = [];
    accepted.forEach(({ record }, index) => {
      const event = embedded[index];
      if (event === undefined) throw new Error("the encoder answered fewer events than changes");
      outgoing.push({
        key: PRODUCT_EMBEDDINGS.key(event),
        value: toBinary(ProductEmbeddedSchema, event),
        headers: traceHeaders(record),
      });
      const cause = failureCause(event);
      if (cause !== undefined) rejections.push({ record, cause });
    });
    await this.bus.publish(PRODUCT_EMBEDDINGS.name, outgoing);
    return rejections;
  }
}

/** The product goes on without the modality; the dead letter lets an operator mend and resend it. */
function failureCause({ state }: ProductEmbedded): string | undefined {
  if (state.case !== "embedded" || state.value.failed.length === 0) return undefined;
  return state.value.failed
    .map(
      ({ modality, cause, detail }) =>
        `${modality}: ${FailureCause[cause].toLowerCase()}: ${detail}`,
    )
    .join("; ");
}

function traceHeaders(record: ConsumedRecord): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record.headers).filter(([name]) => TRACE_HEADERS.has(name)),
  );
}
