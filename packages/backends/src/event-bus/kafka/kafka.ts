import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import { describeError, MarquetryError } from "@marquetry/runtime/errors";
import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import kafkajs, {
  type Admin,
  type Consumer as KafkaConsumer,
  type EachBatchPayload,
  type ICustomPartitioner,
  type KafkaMessage,
  type LogEntry,
  type Message,
  type Producer,
} from "kafkajs";
import snappy from "kafkajs-snappy";
import {
  BATCH_RECORDS_MAX,
  deliver,
  drain,
  DRAIN_MS,
  splitDue,
  type DeadLetter,
} from "../delivery.js";
import {
  type ConsumedRecord,
  type ConsumeOptions,
  type Consumer,
  type ConsumerStatus,
  type EventBus,
  type OutgoingRecord,
  type TopicSpec,
} from "../event-bus.js";
import { decompressLz4Frame } from "./lz4.js";
import { createBatchingProducer, type BatchingProducer } from "./batching-producer.js";
import { busClosed, checkSizes, groupTaken, planTopics, unknownTopic } from "../topics.js";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type Log = (
  level: LogLevel,
  message: string,
  detail: Readonly<Record<string, unknown>>,
) => void;

export interface KafkaEventBusOptions {
  /** `host:port` of some brokers; the others are found through them. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly log: Log;
  /** Time that `close()` gives running handlers before it aborts them; 10,000 unless told. */
  readonly drainMs?: number;
  /** A member that dies without leaving holds its partitions for this long; 10,000 unless told. */
  readonly sessionMs?: number;
}

/** kafkajs's levels by their numbers. */
const LOG_LEVELS: Readonly<Record<number, LogLevel>> = { 1: "error", 2: "warn", 4: "info" };

/** `max.message.bytes` bounds a batch as framed on the wire; this much goes to its framing. */
const FRAMING_BYTES = 512;
/** The framing of one record within a batch, at most. */
const RECORD_FRAMING_BYTES = 32;
const WAITING_RECORDS_MAX = 100_000;
/** No batch is unpacked to more than this; the default of a broker's request is 100 MiB. */
const UNPACKED_BYTES_MAX = 128 * 1024 * 1024;

const CONNECTION_MS_MAX = 3_000;
const REQUEST_MS_MAX = 15_000;
const PING_MS_MAX = 3_000;
/** A fetch that finds nothing ends after this; `close()` waits for it. */
const FETCH_WAIT_MS = 250;
const HEARTBEAT_MS = 1_000;
const SESSION_MS_MAX = 10_000;
/** A handler call longer than this loses its partitions when the group changes. */
const REBALANCE_MS_MAX = 60_000;
const HEARTBEAT_SILENCE_MS_MAX = 10_000;
const REJOIN_PAUSE_MS = 200;
const REJOIN_PAUSE_MS_MAX = 5_000;
const TOPIC_ROUNDS_MAX = 40;
const TOPIC_PAUSE_MS = 250;

/**
 * The bus on Apache Kafka, version 2.1 to 4.x. Each topic has its own producer and each consumer
 * its own client: a topic that is deleted spoils the metadata of every client that knew it, and
 * consumers of one kafkajs client share their offsets by mistake.
 */
export function createKafkaEventBus(options: KafkaEventBusOptions): EventBus {
  registerCodecs();
  const lanes = new Map<string, Promise<Lane>>();
  const consumers = new Set<Consumer>();
  const groups = new Map<string, string>();
  let closing: Promise<void> | undefined;

  function laneOf(topic: string): Promise<Lane> {
    if (closing !== undefined) throw busClosed();
    const open = lanes.get(topic) ?? openLane(topic, options, () => lanes.delete(topic));
    lanes.set(topic, open);
    open.catch(() => lanes.delete(topic)); // the next publish looks again
    return open;
  }

  async function writeDeadLetters(letters: readonly DeadLetter[], raw: RawMessages): Promise<void> {
    for (const { record, headers } of letters) {
      const { key, value, headers: own } = raw.get(record.offset) ?? {};
      const message = { key: key ?? null, value: value ?? null, headers: { ...own, ...headers } };
      const lane = await laneOf(deadLetterTopic(record.topic));
      await lane.push([message], [messageBytes(message)]);
    }
  }

  async function closeAll(): Promise<void> {
    await Promise.all([...consumers].map((consumer) => consumer.close()));
    const open = await Promise.allSettled(lanes.values());
    await Promise.all(
      open.filter((lane) => lane.status === "fulfilled").map((lane) => lane.value.close()),
    );
  }

  return {
    async ensureTopics(specs) {
      if (closing !== undefined) throw busClosed();
      const plan = planTopics(specs);
      await withAdmin(options, 3, (admin) => createTopics(admin, plan));
    },
    async publish(topic, records) {
      const lane = await laneOf(topic);
      const bytes = checkSizes(topic, records, lane.recordBytesMax);
      await lane.push(
        records.map(toMessage),
        bytes.map((size) => size + RECORD_FRAMING_BYTES),
      );
    },
    async consume(consumeOptions) {
      if (closing !== undefined) throw busClosed();
      const { topic, group } = consumeOptions;
      const taken = groups.get(group) ?? topic;
      if (taken !== topic) throw groupTaken(group, taken);
      await withAdmin(options, 3, (admin) => recordBytesMaxOf(admin, topic));
      groups.set(group, topic);
      const consumer = await joinGroup(options, consumeOptions, writeDeadLetters);
      consumers.add(consumer);
      return consumer;
    },
    async extent(topic) {
      if (closing !== undefined) throw busClosed();
      return withAdmin(options, 3, async (admin) => {
        await recordBytesMaxOf(admin, topic); // says what is wrong where there is no such topic
        const offsets = await admin.fetchTopicOffsets(topic);
        return offsets
          .map(({ partition, low, high }) => ({
            partition,
            first: BigInt(low),
            next: BigInt(high),
          }))
          .toSorted((a, b) => a.partition - b.partition);
      });
    },
    async ping() {
      if (closing !== undefined) throw busClosed();
      await withAdmin(options, 0, (admin) => admin.describeCluster(), PING_MS_MAX);
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}

// --- Clients ------------------------------------------------------------------------------------

function createClient(
  { clientId, brokers, log }: KafkaEventBusOptions,
  retries: number,
  requestTimeout = REQUEST_MS_MAX,
) {
  return new kafkajs.Kafka({
    clientId,
    brokers: [...brokers],
    connectionTimeout: CONNECTION_MS_MAX,
    requestTimeout,
    retry: { retries, initialRetryTime: 200, maxRetryTime: 3_000 },
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => (entry) => forwardLog(entry, log),
  });
}

function forwardLog({ level, namespace, log: entry }: LogEntry, log: Log): void {
  const { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...detail } = entry;
  log(LOG_LEVELS[level] ?? "debug", `kafka ${namespace}: ${message}`, detail);
}

/** Administration is rare: a connection for each use has no state that could go stale. */
async function withAdmin<T>(
  options: KafkaEventBusOptions,
  retries: number,
  work: (admin: Admin) => Promise<T>,
  requestMsMax = REQUEST_MS_MAX,
): Promise<T> {
  const admin = createClient(options, retries, requestMsMax).admin();
  try {
    await admin.connect();
    return await work(admin);
  } catch (error) {
    throw toBusError(error);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** kafkajs knows only gzip by itself; producers in other languages send all five. */
function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  const compress = promisify(zstdCompress);
  const decompress = promisify(zstdDecompress);
  CompressionCodecs[CompressionTypes.Snappy] = snappy;
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => await compress(buffer),
    decompress: async (buffer: Buffer) =>
      await decompress(buffer, { maxOutputLength: UNPACKED_BYTES_MAX }),
  });
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: () => Promise.reject(new MarquetryError("internal", "LZ4 is only read here")),
    decompress: async (buffer: Buffer) => decompressLz4Frame(buffer, UNPACKED_BYTES_MAX),
  });
}

// --- Errors -------------------------------------------------------------------------------------

/** kafkajs wraps errors several times over; the broker's own code is somewhere inside. */
function errorChain(thrown: unknown): { name?: string; type?: string }[] {
  const chain: { name?: string; type?: string }[] = [];
  for (let current = thrown; current instanceof Error && chain.length < 10;) {
    chain.push(current);
    const nested: unknown = "errors" in current ? current.errors : undefined;
    current = Array.isArray(nested) ? (nested[0] as unknown) : current.cause;
  }
  return chain;
}

function hasType(thrown: unknown, ...types: readonly string[]): boolean {
  return errorChain(thrown).some(({ type }) => type !== undefined && types.includes(type));
}

/** What is not the caller's mistake counts as a bus out of reach, which callers retry. */
function toBusError(thrown: unknown): MarquetryError {
  if (thrown instanceof MarquetryError) return thrown;
  if (hasType(thrown, "MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE")) {
    return new MarquetryError("invalid", "a record is over the bound of its topic", {
      field: "value",
      cause: thrown,
    });
  }
  if (isFatal(thrown)) {
    return new MarquetryError("internal", "Kafka refuses this client", { cause: thrown });
  }
  return new MarquetryError("unavailable", "Kafka cannot be reached", { cause: thrown });
}

/** Errors that no new attempt can cure; the process has to end and somebody has to look. */
function isFatal(thrown: unknown): boolean {
  return errorChain(thrown).some(
    ({ name = "", type = "" }) =>
      name === "KafkaJSNotImplemented" ||
      name === "KafkaJSSASLAuthenticationError" ||
      name === "KafkaJSUnsupportedMagicByteInMessageSet" ||
      type === "INCONSISTENT_GROUP_PROTOCOL" ||
      type.endsWith("_AUTHORIZATION_FAILED"),
  );
}

/** The member has to join its group anew; until then it must not handle anything. */
function isMembershipLost(thrown: unknown): boolean {
  return hasType(
    thrown,
    "REBALANCE_IN_PROGRESS",
    "ILLEGAL_GENERATION",
    "UNKNOWN_MEMBER_ID",
    "NOT_COORDINATOR_FOR_GROUP",
  );
}

// --- Topics -------------------------------------------------------------------------------------

/** A new topic is not known to every broker at once, so this looks until it is. */
async function createTopics(admin: Admin, plan: readonly TopicSpec[]): Promise<void> {
  for (let round = 1; ; round += 1) {
    const existing = new Set(await admin.listTopics());
    const missing = plan.filter(({ name }) => !existing.has(name));
    if (missing.length === 0) return;
    try {
      await admin.createTopics({
        waitForLeaders: true,
        topics: missing.map(({ name, partitions, recordBytesMax }) => ({
          topic: name,
          numPartitions: partitions,
          configEntries: [
            { name: "max.message.bytes", value: String(recordBytesMax + FRAMING_BYTES) },
          ],
        })),
      });
    } catch (error) {
      const passes = hasType(
        error,
        "TOPIC_ALREADY_EXISTS", // somebody else was faster
        "UNKNOWN_TOPIC_OR_PARTITION", // created, but the broker asked does not know yet
        "LEADER_NOT_AVAILABLE",
      );
      if (!passes || round === TOPIC_ROUNDS_MAX) throw error;
    }
    if (round === TOPIC_ROUNDS_MAX) throw unknownTopic(missing[0]?.name ?? "");
    await sleep(TOPIC_PAUSE_MS);
  }
}

/** @throws MarquetryError `invalid` for an unknown topic */
async function recordBytesMaxOf(admin: Admin, topic: string): Promise<number> {
  const { ConfigResourceTypes } = kafkajs;
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [
        { type: ConfigResourceTypes.TOPIC, name: topic, configNames: ["max.message.bytes"] },
      ],
    });
    const bytes = Number(resources[0]?.configEntries[0]?.configValue);
    return Math.max(bytes - FRAMING_BYTES, 1);
  } catch (error) {
    if (hasType(error, "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_TOPIC_EXCEPTION")) {
      throw unknownTopic(topic);
    }
    throw error;
  }
}

// --- Publishing ---------------------------------------------------------------------------------

interface PartitionedMessage extends Message {
  readonly partitionKey?: string;
}

/** murmur2, as the Java client, of the partition key where there is one. */
function createPartitioner(): ReturnType<ICustomPartitioner> {
  const choose = kafkajs.Partitioners.DefaultPartitioner();
  return (given) => {
    const { partitionKey }: PartitionedMessage = given.message;
    if (partitionKey === undefined) return choose(given);
    return choose({ ...given, message: { ...given.message, key: partitionKey } });
  };
}

interface Lane extends BatchingProducer<PartitionedMessage> {
  readonly recordBytesMax: number;
  close(): Promise<void>;
}

async function openLane(
  topic: string,
  options: KafkaEventBusOptions,
  onTopicGone: () => void,
): Promise<Lane> {
  const recordBytesMax = await withAdmin(options, 2, (admin) => recordBytesMaxOf(admin, topic));
  const producer = createClient(options, 2).producer({
    allowAutoTopicCreation: false,
    createPartitioner,
    idempotent: false, // kafkajs's implementation breaks under load (tulios/kafkajs#1005)
  });
  await producer.connect().catch((error: unknown) => {
    throw toBusError(error);
  });
  const lane = createBatchingProducer<PartitionedMessage>({
    send: (messages) => send(producer, topic, messages, onTopicGone),
    sendBytesMax: recordBytesMax + RECORD_FRAMING_BYTES,
    waitingMax: WAITING_RECORDS_MAX,
  });
  return {
    ...lane,
    recordBytesMax,
    async close() {
      await lane.idle();
      await producer.disconnect().catch(() => undefined);
    },
  };
}

async function send(
  producer: Producer,
  topic: string,
  messages: readonly Message[],
  onTopicGone: () => void,
): Promise<void> {
  try {
    await producer.send({ topic, messages: [...messages], acks: -1, timeout: REQUEST_MS_MAX });
  } catch (error) {
    if (hasType(error, "UNKNOWN_TOPIC_OR_PARTITION")) {
      // Deleted, or not known yet to this broker: the next publish opens a new lane and finds out.
      onTopicGone();
      producer.disconnect().catch(() => undefined);
    }
    throw toBusError(error);
  }
}

function toMessage({ key, value, headers, partitionKey }: OutgoingRecord): PartitionedMessage {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return {
    key,
    value: bytes,
    ...(headers === undefined ? {} : { headers: { ...headers } }),
    ...(partitionKey === undefined ? {} : { partitionKey }),
  };
}

function messageBytes({ key, value, headers }: Message): number {
  let bytes = RECORD_FRAMING_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of Object.entries(headers ?? {})) {
    bytes += name.length + String(content).length;
  }
  return bytes;
}

// --- Consuming ----------------------------------------------------------------------------------

/** Messages of a batch as the broker holds them, for dead letters equal to the byte. */
type RawMessages = ReadonlyMap<bigint, KafkaMessage>;

function toRecord(topic: string, partition: number, message: KafkaMessage): ConsumedRecord {
  const value = message.value ?? Buffer.alloc(0);
  const headers: Record<string, string> = {};
  for (const [name, content] of Object.entries(message.headers ?? {})) {
    const last = Array.isArray(content) ? content.at(-1) : content;
    headers[name] = last?.toString() ?? "";
  }
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    key: message.key?.toString() ?? "",
    value: new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
    headers,
  };
}

/**
 * Keeps a member in the group for as long as the consumer is open: one kafkajs consumer after the
 * other, each used until it crashes. kafkajs's own restarts are not used, because it gives up for
 * good on some errors of a broker that is only away.
 */
async function joinGroup(
  bus: KafkaEventBusOptions,
  options: ConsumeOptions,
  writeDeadLetters: (letters: readonly DeadLetter[], raw: RawMessages) => Promise<void>,
): Promise<Consumer> {
  const { topic, group } = options;
  const leaving = new AbortController();
  const left = new Promise<void>((resolve) => {
    leaving.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const hard = new AbortController();
  /** Aborted when the partitions are to be given up; a new one with each join. */
  let assignment = new AbortController();
  let closing: Promise<void> | undefined;
  let current: KafkaConsumer | undefined;
  let state: "joining" | "running" | "closed" | "failed" = "joining";
  /** Why the member is out of its group or was of late. */
  let sessionError: string | undefined;
  /** Ends the wait of each partition whose first record is early. */
  const held = new Map<number, NodeJS.Timeout>();
  /** Why each partition's batch is being retried. */
  const retried = new Map<number, string>();
  let lost: unknown;
  let paused = false;
  let heardAtMs = 0;

  function onJoin(): void {
    state = "running";
    heardAtMs = Date.now();
    lost = undefined;
    assignment.abort();
    if (closing === undefined) assignment = new AbortController();
    if (paused) current?.pause([{ topic }]);
  }

  function onLost(error: unknown): void {
    if (!isMembershipLost(error)) return; // a broken connection: the next commit finds out
    lost = error;
    assignment.abort();
  }

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    if (lost !== undefined) throw lost; // fetched under an assignment that is no more
    const { batch } = payload;
    const { batchRecordsMax = BATCH_RECORDS_MAX } = options;
    const owned = assignment;
    const beat = setInterval(() => void payload.heartbeat().catch(onLost), HEARTBEAT_MS / 2);
    try {
      for (let start = 0; start < batch.messages.length;) {
        if (paused || owned.signal.aborted || !payload.isRunning() || payload.isStale()) break;
        const messages = batch.messages.slice(start, start + batchRecordsMax);
        const records = messages.map((message) => toRecord(topic, batch.partition, message));
        const { due, waitMs } = splitDue(records, options);
        if (due.length === 0) {
          holdPartition(payload, waitMs);
          break;
        }
        if (!(await deliverMessages(payload, messages.slice(0, due.length), due, owned))) break;
        start += due.length;
      }
    } finally {
      clearInterval(beat);
    }
    if (lost !== undefined) throw lost; // makes kafkajs join again
  }

  /** What was fetched and not resolved is fetched again afterwards. */
  function holdPartition(payload: EachBatchPayload, ms: number): void {
    const { partition } = payload.batch;
    const release = payload.pause();
    clearTimeout(held.get(partition));
    const timer = setTimeout(() => {
      held.delete(partition);
      if (paused || closing !== undefined) return;
      try {
        release();
      } catch {
        // of a member that is gone: the next one has not paused anything
      }
    }, ms);
    held.set(partition, timer);
  }

  async function deliverMessages(
    payload: EachBatchPayload,
    messages: readonly KafkaMessage[],
    records: readonly ConsumedRecord[],
    owned: AbortController,
  ): Promise<boolean> {
    const { partition } = payload.batch;
    const raw = new Map(messages.map((message) => [BigInt(message.offset), message]));
    return await deliver(records, {
      options,
      writeDeadLetters: (letters) => writeDeadLetters(letters, raw),
      settled: async ({ offset }) => {
        // The partition may be another member's by now, whose commit this must not turn back.
        if (owned !== assignment) throw new MarquetryError("unavailable", "the group has changed");
        payload.resolveOffset(offset.toString());
        await payload.commitOffsetsIfNecessary(payload.uncommittedOffsets());
      },
      report: (error) => {
        if (error === undefined) retried.delete(partition);
        else retried.set(partition, error);
      },
      stop: owned.signal,
      signal: hard.signal,
    });
  }

  /** kafkajs retries a broken connection for seconds before anything but its log tells of it. */
  function logAndNotice(
    level: LogLevel,
    message: string,
    detail: Readonly<Record<string, unknown>>,
  ) {
    if (/Connection (error|timeout)/.test(message)) sessionError = message;
    bus.log(level, message, detail);
  }

  /** One kafkajs consumer from its birth to its crash. @returns what it crashed of */
  async function session(onFirstJoin: () => void): Promise<unknown> {
    const consumer = createClient({ ...bus, log: logAndNotice }, 5).consumer({
      groupId: group,
      allowAutoTopicCreation: false,
      sessionTimeout: bus.sessionMs ?? SESSION_MS_MAX,
      rebalanceTimeout: REBALANCE_MS_MAX,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      retry: {
        retries: 5,
        initialRetryTime: 200,
        maxRetryTime: 3_000,
        restartOnFailure: async () => false,
      },
    });
    const crash = Promise.withResolvers<unknown>();
    const { events } = consumer;
    consumer.on(events.CRASH, ({ payload }) => crash.resolve(payload.error));
    consumer.on(events.GROUP_JOIN, () => {
      onJoin();
      onFirstJoin();
    });
    consumer.on(events.REBALANCING, () => {
      if (state === "running") state = "joining";
    });
    consumer.on(events.HEARTBEAT, () => {
      heardAtMs = Date.now();
    });
    consumer.on(events.FETCH, () => {
      sessionError = undefined;
    });
    current = consumer;
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({ eachBatchAutoResolve: false, eachBatch });
      return await Promise.race([crash.promise, left]);
    } catch (error) {
      return error;
    } finally {
      await consumer.disconnect().catch(() => undefined);
    }
  }

  async function supervise(first: PromiseWithResolvers<void>): Promise<void> {
    let joined = false;
    for (let round = 0; !leaving.signal.aborted; round += 1) {
      const error = await session(() => {
        joined = true;
        round = 0;
        first.resolve();
      });
      if (leaving.signal.aborted) break;
      sessionError = describeError(error);
      first.reject(toBusError(error)); // nothing happens where a join has resolved it
      state = isFatal(error) ? "failed" : "joining";
      bus.log("error", `consumer of "${topic}" left group "${group}"`, {
        state,
        error: sessionError,
      });
      if (state === "failed") {
        if (joined) options.onFailed?.(error);
        return;
      }
      const pauseMs = Math.min(REJOIN_PAUSE_MS * 2 ** Math.min(round, 10), REJOIN_PAUSE_MS_MAX);
      await sleep(pauseMs, undefined, { signal: leaving.signal }).catch(() => undefined);
    }
  }

  const first = Promise.withResolvers<void>();
  const supervised = supervise(first);

  async function leave(): Promise<void> {
    assignment.abort();
    leaving.abort();
    for (const timer of held.values()) clearTimeout(timer);
    if (!(await drain(supervised, hard, bus.drainMs ?? DRAIN_MS))) {
      bus.log("warn", `consumer of "${topic}" did not end in time`, { group });
    }
    state = "closed";
  }

  function close(): Promise<void> {
    closing ??= leave();
    return closing;
  }

  function status(): ConsumerStatus {
    const error = [...retried.values()][0] ?? sessionError;
    if (state === "running" && error !== undefined) return { state: "retrying", error };
    if (state === "running" && Date.now() - heardAtMs > HEARTBEAT_SILENCE_MS_MAX) {
      return { state: "retrying", error: "Kafka does not answer heartbeats" };
    }
    return error === undefined ? { state } : { state, error };
  }

  await first.promise.catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    pause() {
      paused = true;
      if (state === "running") current?.pause([{ topic }]);
    },
    resume() {
      paused = false;
      if (state === "running") current?.resume([{ topic }]);
    },
    status,
    lag: () => withAdmin(bus, 2, (admin) => lagOf(admin, group, topic)),
    close,
  };
}

async function lagOf(admin: Admin, group: string, topic: string): Promise<bigint> {
  const ends = await admin.fetchTopicOffsets(topic);
  const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
  const next = new Map(committed?.partitions.map((part) => [part.partition, BigInt(part.offset)]));
  let lag = 0n;
  for (const { partition, low, high } of ends) {
    const offset = next.get(partition) ?? -1n;
    lag += BigInt(high) - (offset < BigInt(low) ? BigInt(low) : offset);
  }
  return lag;
}
