import { Inject, Injectable } from "@nestjs/common";
import type { OnApplicationBootstrap } from "@nestjs/common";
import type {
  ConsumedRecord,
  Consumer,
  OutgoingRecord,
  Rejection,
} from "@marquetry/backends/event-bus";
import { observeConsumers } from "@marquetry/backends/event-bus/observation";
import {
  PRODUCT_CHANGES,
  PRODUCT_CHANGES_RETRY,
  PRODUCT_EMBEDDINGS,
} from "@marquetry/contracts/topics";
import { decodeBatch } from "@marquetry/contracts/validation";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { BackPressure } from "./back-pressure.js";
import { encodesAllModalities } from "./config.js";
import type { EncoderConfig } from "./config.js";
import type { EncodeProducts } from "./encode-products.js";
import type { EncoderEvents } from "./events.js";
import { BACK_PRESSURE, CONFIG, CONTEXT, ENCODE_PRODUCTS, EVENTS, PORTS } from "./ports.js";
import type { EncoderPorts } from "./ports.js";
import { attemptOf, dueAtMs, embeddedRecord, retryRecord } from "./records.js";
import { afterFailure, FIRST_ATTEMPT } from "./retries.js";
import type { Attempt } from "./retries.js";

const BATCH_RECORDS_MAX = 64;

/** Product changes, and those that wait for another attempt, through the use-case to the topic of
 * embeddings. */
@Injectable()
export class ProductChangesConsumer implements OnApplicationBootstrap {
  readonly #consumers: Consumer[] = [];
  readonly #modalities: readonly string[];

  constructor(
    @Inject(CONTEXT) private readonly context: ServiceContext,
    @Inject(CONFIG) private readonly config: EncoderConfig,
    @Inject(PORTS) private readonly ports: EncoderPorts,
    @Inject(ENCODE_PRODUCTS) private readonly encodeProducts: EncodeProducts,
    @Inject(BACK_PRESSURE) private readonly backPressure: BackPressure,
    @Inject(EVENTS) private readonly events: EncoderEvents,
  ) {
    this.#modalities = [...ports.encoders.keys()];
  }

  async onApplicationBootstrap(): Promise<void> {
    this.context.closers.add("consumers", async () => {
      await Promise.all(this.#consumers.map((consumer) => consumer.close()));
    });
    // Deployments that share their work share the group.
    const group = encodesAllModalities(this.config)
      ? "marquetry-encoder"
      : `marquetry-encoder-${this.#modalities.join("-")}`;
    const consume = observeConsumers(this.ports.bus, this.context);
    // While one member waits for the bus, another encodes.
    for (let member = 1; member <= this.config.ENCODER_CONSUMERS; member += 1) {
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
        dueAtMs,
        handler: (records) => this.#encode(this.#ours(records), attemptOf),
      },
      {
        check: "retry consumer",
        lag: ["retries_waiting_records", "Changes that wait for another attempt"],
      },
    );
    this.#govern(retries);
  }

  #govern(consumer: Consumer): void {
    this.backPressure.govern(consumer);
    this.#consumers.push(consumer);
  }

  /** Other deployments' modalities are theirs to try again. */
  #ours(records: readonly ConsumedRecord[]): ConsumedRecord[] {
    return records.filter((record) =>
      attemptOf(record).modalities?.some((each) => this.#modalities.includes(each)),
    );
  }

  async #encode(
    records: readonly ConsumedRecord[],
    attemptAt: (record: ConsumedRecord) => Attempt,
  ): Promise<Rejection[]> {
    const { bus } = this.ports;
    const { accepted, rejected } = decodeBatch(PRODUCT_CHANGES.schema, records);
    const embedded = await this.encodeProducts(accepted.map(({ message }) => message));
    const rejections: Rejection[] = [...rejected];
    const outgoing: OutgoingRecord[] = [];
    const retries: OutgoingRecord[] = [];
    accepted.forEach(({ record }, index) => {
      const event = embedded[index];
      if (event === undefined) throw new Error("the encoder answered fewer events than changes");
      const attempt = attemptAt(record);
      outgoing.push(embeddedRecord(event, attempt, record));
      const { dead, retry } = afterFailure(event, attempt, this.config.ENCODER_RETRY_DELAYS);
      if (dead !== undefined) rejections.push({ record, cause: dead });
      if (retry !== undefined) retries.push(retryRecord(record, retry));
      else if (dead === undefined && attempt.attempt > 0) this.events.productHealed();
    });
    await bus.publish(PRODUCT_EMBEDDINGS.name, outgoing);
    // The product goes on without the modality meanwhile.
    await bus.publish(PRODUCT_CHANGES_RETRY.name, retries);
    this.events.retriesPlanned(retries.length);
    return rejections;
  }
}
