import type { Resource } from "@marquetry/runtime/lifecycle";

/**
 * The message bus: topics split into partitions, records in order within one.
 *
 * Guarantees of every implementation, checked by `event-bus.contract.ts`:
 * - **Order**: records of one key go to one partition (murmur2 of the key, as Kafka's Java client)
 *   and are delivered in the order in which they were published. A `partitionKey` decides the
 *   partition in the key's place.
 * - **Delivery**: at least once to each consumer group. A partition has one consumer of a group at
 *   a time. An offset is committed only when the handler has settled every record up to it.
 * - **Calls**: a consumer calls its handler for one batch at a time; more members of the group, in
 *   this process or others, work in parallel. A group reads one topic.
 * - **Start**: a group that has no committed offset starts at the first record of the topic.
 * - **Due time**: with `dueAtMs` no record is delivered before its time. It holds up those behind it
 *   in its partition and nothing else; closing does not wait for it.
 * - **Retry**: a handler that throws gets the same batch again, with growing pauses. An
 *   `unavailable` or `overloaded` error is retried until it passes (nothing is dead-lettered
 *   because a database is unavailable). After `attemptsMax` other errors each record is handled
 *   alone, and one that fails alone goes to the dead-letter topic.
 * - **Dead letters**: a rejected record is written to `<topic>.dlq`, same key, same bytes, its own
 *   headers and those of `DEAD_LETTER_HEADERS`, before its offset is committed.
 * - **Closing**: `close()` starts no further batch, waits for the running ones, commits, then leaves.
 *   A batch between two attempts is not tried again; it comes again to the next owner. After the
 *   drain time handlers are aborted by their signal; nothing waits for one that ignores it.
 * - **Outages**: a consumer whose bus becomes unavailable stays, says so in its status, and goes on
 *   by itself afterwards.
 */
export interface EventBus extends Resource {
  /** Creates the topics that do not exist yet, and `<name>.dlq` beside each. Idempotent. */
  ensureTopics(topics: readonly TopicSpec[]): Promise<void>;

  /**
   * Publishes in this order; resolves when the bus has the records durably.
   * @throws MarquetryError `invalid` for an unknown topic or a record over the topic's bound (none
   *   of the batch is published then), `unavailable` where the bus cannot be reached (some may have
   *   been), `overloaded` where too much waits already.
   */
  publish(topic: string, records: readonly OutgoingRecord[]): Promise<void>;

  /**
   * Joins a consumer group; resolves when the group has accepted the member.
   * @throws MarquetryError `invalid` for an unknown topic or a group that reads another one,
   *   `unavailable` where the bus cannot be reached now.
   */
  consume(options: ConsumeOptions): Promise<Consumer>;

  /**
   * What each partition holds now: whoever has handled a partition up to `next` has seen everything
   * that was published before the call.
   * @throws MarquetryError `invalid` for an unknown topic, `unavailable` where the bus cannot be
   *   reached now
   */
  extent(topic: string): Promise<readonly PartitionExtent[]>;

  /** Resolves when the bus answers. @throws MarquetryError `unavailable` */
  ping(): Promise<void>;

  /** Closes every consumer, then the producer. Idempotent. */
  close(): Promise<void>;
}

/** The offsets of a partition's records; none where they are equal. */
export interface PartitionExtent {
  readonly partition: number;
  /** Of the first record that is still there. */
  readonly first: bigint;
  /** Behind the last one. */
  readonly next: bigint;
}

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  /**
   * The most bytes of a record: the sum of its key, value and headers. The dead-letter topic takes a
   * little more.
   */
  readonly recordBytesMax: number;
}

export interface OutgoingRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** Chooses the partition in the key's place; not stored with the record. */
  readonly partitionKey?: string;
}

export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** A record that the handler cannot use, and why; it goes to the dead-letter topic. */
export interface Rejection {
  readonly record: ConsumedRecord;
  /** One line for the operator: which field, what was expected. */
  readonly cause: string;
}

/**
 * Settles records of **one partition**, in offset order, at most `batchRecordsMax` of them.
 * Resolving settles every record: the rejected ones as dead letters, the others as done.
 * `signal` aborts when the consumer closes and its drain time is over.
 */
export type BatchHandler = (
  records: readonly ConsumedRecord[],
  signal: AbortSignal,
) => Promise<readonly Rejection[]>;

export interface ConsumeOptions {
  readonly topic: string;
  readonly group: string;
  readonly handler: BatchHandler;
  /** The most records of one call of the handler. Default: 256. */
  readonly batchRecordsMax?: number;
  /** Calls of the handler for one batch before its records are handled alone. Default: 5. */
  readonly attemptsMax?: number;
  /** First pause before a retry; doubles up to `retryPauseMsMax`. Default: 100. */
  readonly retryPauseMs?: number;
  /** Default: 5,000. */
  readonly retryPauseMsMax?: number;
  /** The earliest time, in ms since the epoch, at which a record may be delivered. Default: at once. */
  readonly dueAtMs?: (record: ConsumedRecord) => number;
  /** Called once per failed attempt and once per dead letter, for logs and metrics. */
  readonly onRetry?: (error: unknown, attempt: number) => void;
  readonly onDeadLetter?: (rejection: Rejection) => void;
  /** Called once when the consumer has failed for good; the process should end. */
  readonly onFailed?: (error: unknown) => void;
}

export interface Consumer {
  /** Stops fetching; the assignment stays. Running batches end. */
  pause(): void;
  resume(): void;
  /** Whether the consumer is a live member of its group and not stuck on an error. */
  status(): ConsumerStatus;
  /** Records between the committed offsets and the ends of all partitions of the group. */
  lag(): Promise<bigint>;
  close(): Promise<void>;
}

export interface ConsumerStatus {
  readonly state: "joining" | "running" | "retrying" | "closed" | "failed";
  /** The error of the last attempt while retrying or failed. */
  readonly error?: string;
}

/** Headers that a dead letter carries besides its own. */
export const DEAD_LETTER_HEADERS = {
  cause: "marquetry-cause",
  topic: "marquetry-source-topic",
  partition: "marquetry-source-partition",
  offset: "marquetry-source-offset",
  group: "marquetry-group",
  attempt: "marquetry-attempt",
} as const;
