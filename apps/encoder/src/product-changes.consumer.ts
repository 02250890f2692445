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
import { observeConsumers } from "@marquetry/backends/event-bus/observation";
import { ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { CONTENT_MODALITIES } from "@marquetry/contracts/modalities";
import {
  embeddingKey,
  PRODUCT_CHANGES,
  PRODUCT_CHANGES_RETRY,
  PRODUCT_EMBEDDINGS,
  RETRY_HEADERS,
  retryPartitionKey,
} from "@marquetry/contracts/topics";
import { decodeBatch } from "@marquetry/contracts/validation";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { BackPressure } from "./back-pressure.js";
import type { EncodeProducts } from "./encode-products.js";
import type { EncoderEvents } from "./events.js";
import { afterFailure, FIRST_ATTEMPT } from "./retries.js";
import type { Attempt, Retry } from "./retries.js";
import { BACK_PRESSURE, CONTEXT, ENCODE_PRODUCTS, EVENT_BUS, EVENTS, SETTINGS } from "./tokens.js";

export interface ConsumerSettings {
  /** Modalities that this deployment encodes. */
  readonly modalities: readonly string[];
  /** Of this deployment: those that share their work share the group. */
  readonly group: string;
  /** Members of the group in this process: while one waits for the bus, another encodes. */
  readonly consumers: number;
  readonly retryDelaysMs: readonly number[];
}

const BATCH_RECORDS_MAX = 64;
const TRACE_HEADERS = new Set(["traceparent", "tracestate"]);

/** Product changes, and those that wait for another attempt, through the use-case to the topic of
 * embeddings. */
@Injectable()
export class ProductChangesConsumer implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #consumers: Consumer[] = [];

  constructor(
    @Inject(CONTEXT) private readonly context: ServiceContext,
    @Inject(EVENT_BUS) private readonly bus: EventBus,
    @Inject(ENCODE_PRODUCTS) private readonly encodeProducts: EncodeProducts,
    @Inject(BACK_PRESSURE) private readonly backPressure: BackPressure,
    @Inject(EVENTS) private readonly events: EncoderEvents,
    @Inject(SETTINGS) private readonly settings: ConsumerSettings,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { group, consumers } = this.settings;
    const consume = observeConsumers(this.bus, this.context);
    for (let member = 1; member <= consumers; member += 1) {
      const options = {
        topic: PRODUCT_CHANGES.name,
        group,
        batchRecordsMax: BATCH_RECORDS_MAX,
        handler: (records: readonly ConsumedRecord[]) => this.#encode(records, () => FIRST_ATTEMPT),
      };
      // All members see the group's lag.
      const shown = member === 1 ? {} : ({ check: `consumer ${member}`, lag: false } as const);
      this.#govern(await consume(options, shown));
    }
    const retries = await consume(
      {
        topic: PRODUCT_CHANGES_RETRY.name,
        group: `${group}-retry`,
        batchRecordsMax: BATCH_RECORDS_MAX,
        dueAtMs: ({ headers }) => Number(headers[RETRY_HEADERS.notBefore] ?? 0) || 0,
        handler: (records) => this.#encode(this.#ours(records), attemptOf),
      },
      {
        check: "retry consumer",
        lag: ["retries_waiting_records", "Changes that wait for another attempt"],
      },
    );
    this.#govern(retries);
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.close()));
  }

  #govern(consumer: Consumer): void {
    this.backPressure.govern(consumer);
    this.#consumers.push(consumer);
  }

  /** Other deployments' modalities are theirs to try again. */
  #ours(records: readonly ConsumedRecord[]): ConsumedRecord[] {
    return records.filter((record) =>
      attemptOf(record).modalities?.some((each) => this.settings.modalities.includes(each)),
    );
  }

  async #encode(
    records: readonly ConsumedRecord[],
    attemptAt: (record: ConsumedRecord) => Attempt,
  ): Promise<Rejection[]> {
    const { accepted, rejected } = decodeBatch(PRODUCT_CHANGES.schema, records);
    const embedded = await this.encodeProducts(accepted.map(({ message }) => message));
    const rejections: Rejection[] = [...rejected];
    const outgoing: OutgoingRecord[] = [];
    const retries: OutgoingRecord[] = [];
    accepted.forEach(({ record }, index) => {
      const event = embedded[index];
      if (event === undefined) throw new Error("the encoder answered fewer events than changes");
      const attempt = attemptAt(record);
      outgoing.push(toOutgoing(event, attempt, record));
      const { dead, retry } = afterFailure(event, attempt, this.settings.retryDelaysMs);
      if (dead !== undefined) rejections.push({ record, cause: dead });
      if (retry !== undefined) retries.push(toRetry(record, retry));
      else if (dead === undefined && attempt.attempt > 0) this.events.productHealed();
    });
    await this.bus.publish(PRODUCT_EMBEDDINGS.name, outgoing);
    // The product goes on without the modality meanwhile.
    await this.bus.publish(PRODUCT_CHANGES_RETRY.name, retries);
    this.events.retriesPlanned(retries.length);
    return rejections;
  }
}

function toOutgoing(
  event: ProductEmbedded,
  { attempt }: Attempt,
  record: ConsumedRecord,
): OutgoingRecord {
  return {
    key: embeddingKey(event, attempt),
    partitionKey: event.productId,
    value: toBinary(ProductEmbeddedSchema, event),
    headers: traceHeaders(record),
  };
}

/** The same bytes under the same headers: another attempt reads what the first one read. */
function toRetry(record: ConsumedRecord, { attempt, delayMs, modalities }: Retry): OutgoingRecord {
  return {
    key: record.key,
    partitionKey: retryPartitionKey(attempt),
    value: record.value,
    headers: {
      ...record.headers,
      [RETRY_HEADERS.attempt]: String(attempt),
      [RETRY_HEADERS.notBefore]: String(Date.now() + delayMs),
      [RETRY_HEADERS.modalities]: modalities.join(","),
    },
  };
}

/** A record without our headers, which somebody else must have written, is tried for everything. */
function attemptOf({ headers }: ConsumedRecord): Attempt {
  const attempt = Number(headers[RETRY_HEADERS.attempt] ?? 1);
  const modalities = headers[RETRY_HEADERS.modalities]?.split(",") ?? CONTENT_MODALITIES;
  return { attempt: Number.isSafeInteger(attempt) && attempt > 0 ? attempt : 1, modalities };
}

function traceHeaders(record: ConsumedRecord): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record.headers).filter(([name]) => TRACE_HEADERS.has(name)),
  );
}
