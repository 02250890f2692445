import { setTimeout as sleep } from "node:timers/promises";
import { describeError, MarquetryError } from "@marquetry/runtime/errors";
import type { Consumer as KafkaConsumer, EachBatchPayload, KafkaMessage } from "kafkajs";
import { BATCH_RECORDS_MAX, deliver, drain, DRAIN_MS, splitDue } from "../delivery.js";
import type { DeadLetter } from "../delivery.js";
import type { ConsumedRecord, ConsumeOptions, Consumer, ConsumerStatus } from "../event-bus.js";
import {
  evictionOf,
  generationOf,
  mayStartBatch,
  NEW_MEMBER,
  statusOf,
  transition,
} from "../membership.js";
import type { Membership, MembershipEvent } from "../membership.js";
import { withAdmin } from "./admin.js";
import type { KafkaEventBusOptions } from "./client.js";
import { isEviction, isFatal, toBusError } from "./errors.js";
import { toRecord } from "./records.js";
import type { RawMessages } from "./records.js";
import { HEARTBEAT_MS, runSession } from "./session.js";
import { lagOf } from "./topics.js";

const HEARTBEAT_SILENCE_MS_MAX = 10_000;
const REJOIN_PAUSE_MS = 200;
const REJOIN_PAUSE_MS_MAX = 5_000;

type WriteDeadLetters = (letters: readonly DeadLetter[], raw: RawMessages) => Promise<void>;

/** @throws MarquetryError `unavailable` or `internal` where the first attempt to join fails */
export async function joinGroup(
  bus: KafkaEventBusOptions,
  options: ConsumeOptions,
  writeDeadLetters: WriteDeadLetters,
): Promise<Consumer> {
  const member = new GroupMember(bus, options, writeDeadLetters);
  await member.join();
  return member;
}

/** The partitions of one generation; `stop` aborts when they are revoked. */
interface Assignment {
  readonly generation: number | undefined;
  readonly stop: AbortController;
}

/**
 * Keeps a member in the group for as long as the consumer is open: one kafkajs consumer after the
 * other, each used until it crashes.
 */
class GroupMember implements Consumer {
  readonly #bus: KafkaEventBusOptions;
  readonly #options: ConsumeOptions;
  readonly #writeDeadLetters: WriteDeadLetters;
  readonly #leaving = new AbortController();
  readonly #left = Promise.withResolvers<void>();
  /** Aborts the handlers when the time to drain is over. */
  readonly #handlers = new AbortController();
  /** Ends the wait of each partition whose first record is early. */
  readonly #early = new Map<number, NodeJS.Timeout>();
  /** Why each partition's batch is being retried. */
  readonly #retried = new Map<number, string>();
  #membership: Membership = NEW_MEMBER;
  #assignment: Assignment = { generation: 0, stop: new AbortController() };
  #consumer: KafkaConsumer | undefined;
  #supervised: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #paused = false;
  #heardAtMs = 0;

  constructor(
    bus: KafkaEventBusOptions,
    options: ConsumeOptions,
    writeDeadLetters: WriteDeadLetters,
  ) {
    this.#bus = bus;
    this.#options = options;
    this.#writeDeadLetters = writeDeadLetters;
  }

  /** Resolves with the first join; a failure before it is thrown. */
  async join(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#supervised = this.#supervise(first);
    await first.promise.catch(async (error: unknown) => {
      await this.close();
      throw error;
    });
  }

  pause(): void {
    this.#paused = true;
    if (this.#membership.state === "running") this.#pauseTopic();
  }

  resume(): void {
    this.#paused = false;
    if (this.#membership.state !== "running") return;
    this.#consumer?.resume([{ topic: this.#options.topic }]);
  }

  status(): ConsumerStatus {
    const status = statusOf(this.#membership, [...this.#retried.values()][0]);
    const silentMs = Date.now() - this.#heardAtMs;
    if (status.state !== "running" || silentMs <= HEARTBEAT_SILENCE_MS_MAX) return status;
    return { state: "retrying", error: "Kafka does not answer heartbeats" };
  }

  lag(): Promise<bigint> {
    const { group, topic } = this.#options;
    return withAdmin(this.#bus, 2, (admin) => lagOf(admin, group, topic));
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave();
    return this.#closing;
  }

  async #leave(): Promise<void> {
    this.#apply({ kind: "leaving" });
    this.#leaving.abort();
    this.#left.resolve();
    for (const timer of this.#early.values()) clearTimeout(timer);
    if (!(await drain(this.#supervised, this.#handlers, this.#bus.drainMs ?? DRAIN_MS))) {
      const { topic, group } = this.#options;
      this.#bus.log("warn", `consumer of "${topic}" did not end in time`, { group });
    }
    this.#apply({ kind: "left" });
  }

  #apply(event: MembershipEvent): void {
    this.#membership = transition(this.#membership, event);
    const generation = generationOf(this.#membership);
    if (generation !== this.#assignment.generation || !mayStartBatch(this.#membership)) {
      this.#assignment.stop.abort();
    }
    if (generation !== this.#assignment.generation) {
      this.#assignment = { generation, stop: new AbortController() };
    }
    if (event.kind !== "joined") return;
    this.#heardAtMs = Date.now();
    if (this.#paused) this.#pauseTopic();
  }

  #pauseTopic(): void {
    this.#consumer?.pause([{ topic: this.#options.topic }]);
  }

  async #supervise(first: PromiseWithResolvers<void>): Promise<void> {
    const { topic, group } = this.#options;
    for (let round = 0; !this.#leaving.signal.aborted; round += 1) {
      const error = await this.#session(() => {
        round = 0;
        first.resolve();
      });
      if (this.#leaving.signal.aborted) break;
      first.reject(toBusError(error)); // nothing happens where a join has resolved it
      const joined = this.#assignment.generation !== 0;
      this.#apply({ kind: "crashed", error: describeError(error), fatal: isFatal(error) });
      const { state, error: reason } = this.#membership;
      this.#bus.log("error", `consumer of "${topic}" left group "${group}"`, {
        state,
        error: reason,
      });
      if (state === "failed") {
        if (joined) this.#options.onFailed?.(error);
        return;
      }
      const pauseMs = Math.min(REJOIN_PAUSE_MS * 2 ** Math.min(round, 10), REJOIN_PAUSE_MS_MAX);
      await sleep(pauseMs, undefined, { signal: this.#leaving.signal }).catch(() => undefined);
    }
  }

  #session(onJoin: () => void): Promise<unknown> {
    return runSession({
      bus: this.#bus,
      options: this.#options,
      eachBatch: (payload) => this.#eachBatch(payload),
      onOpen: (consumer) => {
        this.#consumer = consumer;
      },
      onEvent: (event) => {
        this.#apply(event);
        if (event.kind === "joined") onJoin();
      },
      onHeartbeat: () => {
        this.#heardAtMs = Date.now();
      },
      left: this.#left.promise,
    });
  }

  async #eachBatch(payload: EachBatchPayload): Promise<void> {
    this.#throwEviction(); // fetched under an assignment that is no more
    const beat = setInterval(
      () => void payload.heartbeat().catch((error: unknown) => this.#onHeartbeatError(error)),
      HEARTBEAT_MS / 2,
    );
    try {
      await this.#deliverBatch(payload, this.#assignment);
    } finally {
      clearInterval(beat);
    }
    this.#throwEviction();
  }

  /** What is thrown to kafkajs makes it join again. */
  #throwEviction(): void {
    const eviction = evictionOf(this.#membership);
    // oxlint-disable-next-line typescript/only-throw-error -- the error that kafkajs itself threw
    if (eviction !== undefined) throw eviction;
  }

  #onHeartbeatError(cause: unknown): void {
    // Anything else is a broken connection: the next commit finds out.
    if (isEviction(cause)) this.#apply({ kind: "evicted", cause });
  }

  async #deliverBatch(payload: EachBatchPayload, assignment: Assignment): Promise<void> {
    const { batchRecordsMax = BATCH_RECORDS_MAX, topic } = this.#options;
    const { partition, messages } = payload.batch;
    for (let start = 0; start < messages.length;) {
      if (this.#paused || assignment.stop.signal.aborted) return;
      if (!payload.isRunning() || payload.isStale()) return;
      const raw = messages.slice(start, start + batchRecordsMax);
      const records = raw.map((message) => toRecord(topic, partition, message));
      const { due, waitMs } = splitDue(records, this.#options);
      if (due.length === 0) {
        this.#pausePartition(payload, waitMs);
        return;
      }
      if (!(await this.#deliverRecords(payload, raw, due, assignment))) return;
      start += due.length;
    }
  }

  /** What was fetched and not resolved is fetched again afterwards. */
  #pausePartition(payload: EachBatchPayload, ms: number): void {
    const { partition } = payload.batch;
    const resume = payload.pause();
    clearTimeout(this.#early.get(partition));
    const timer = setTimeout(() => {
      this.#early.delete(partition);
      if (this.#paused || this.#closing !== undefined) return;
      try {
        resume();
      } catch {
        // of a member that is gone: the next one has not paused anything
      }
    }, ms);
    this.#early.set(partition, timer);
  }

  #deliverRecords(
    payload: EachBatchPayload,
    messages: readonly KafkaMessage[],
    records: readonly ConsumedRecord[],
    { generation, stop }: Assignment,
  ): Promise<boolean> {
    const { partition } = payload.batch;
    const raw = new Map(messages.map((message) => [BigInt(message.offset), message]));
    return deliver(records, {
      options: this.#options,
      writeDeadLetters: (letters) => this.#writeDeadLetters(letters, raw),
      settled: async ({ offset }) => {
        // The partition may be another member's by now, whose commit this must not turn back.
        if (generation !== this.#assignment.generation) {
          throw new MarquetryError("unavailable", "the group has changed");
        }
        payload.resolveOffset(offset.toString());
        await payload.commitOffsetsIfNecessary(payload.uncommittedOffsets());
      },
      report: (error) => {
        if (error === undefined) this.#retried.delete(partition);
        else this.#retried.set(partition, error);
      },
      stop: stop.signal,
      signal: this.#handlers.signal,
    });
  }
}
