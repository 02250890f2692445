import { setImmediate as nextTurn } from "node:timers/promises";
import { describeError, MarquetryError } from "@marquetry/runtime/errors";
import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import {
  BATCH_RECORDS_MAX,
  deliver,
  drain,
  DRAIN_MS,
  splitDue,
  type DeadLetter,
} from "./delivery.js";
import {
  type ConsumedRecord,
  type ConsumeOptions,
  type Consumer,
  type ConsumerStatus,
  type EventBus,
  type OutgoingRecord,
  type TopicSpec,
} from "./event-bus.js";
import { partitionOf } from "./murmur2.js";
import { busClosed, checkSizes, groupTaken, planTopics, unknownTopic } from "./topics.js";

export interface MemoryEventBusOptions {
  /**
   * A new group starts at the first record, so nothing is ever dropped: a full partition refuses
   * to take more (`overloaded`). 1,000,000 unless told.
   */
  readonly recordsPerPartitionMax?: number;
  /** Time that `close()` gives running handlers before it aborts them; 10,000 unless told. */
  readonly drainMs?: number;
}

interface StoredRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

interface Topic {
  readonly spec: TopicSpec;
  readonly partitions: readonly StoredRecord[][];
}

interface Group {
  readonly topic: Topic;
  /** Next offset of each partition. */
  readonly committed: number[];
  readonly members: Set<Member>;
  /** The rebalance under way, or the last one: they happen one after the other. */
  rebalance: Promise<void>;
}

interface Member {
  /** Takes its partitions away; resolves when the running call of its handler has ended. */
  revoke(): Promise<void>;
  assign(partitions: readonly number[]): void;
  wake(): void;
}

/**
 * The bus of one process, which keeps every record and every offset until it is dropped. What is
 * published is durable as long as the process lives.
 */
export function createMemoryEventBus(options: MemoryEventBusOptions = {}): EventBus {
  const { recordsPerPartitionMax = 1_000_000, drainMs = DRAIN_MS } = options;
  const topics = new Map<string, Topic>();
  const groups = new Map<string, Group>();
  const consumers = new Set<Consumer>();
  let closed = false;

  function topicOf(name: string): Topic {
    if (closed) throw busClosed();
    const topic = topics.get(name);
    if (topic === undefined) throw unknownTopic(name);
    return topic;
  }

  function groupOf(name: string, topic: Topic): Group {
    const group = groups.get(name) ?? {
      topic,
      committed: topic.partitions.map(() => 0),
      members: new Set<Member>(),
      rebalance: Promise.resolve(),
    };
    if (group.topic !== topic) throw groupTaken(name, group.topic.spec.name);
    groups.set(name, group);
    return group;
  }

  function append(topic: Topic, records: readonly OutgoingRecord[]): void {
    checkSizes(topic.spec.name, records, topic.spec.recordBytesMax);
    const counts = topic.partitions.map((partition) => partition.length);
    const targets = records.map(({ key, partitionKey = key }) =>
      partitionOf(partitionKey, counts.length),
    );
    for (const target of targets) {
      const count = (counts[target] ?? 0) + 1;
      counts[target] = count;
      if (count <= recordsPerPartitionMax) continue;
      throw new MarquetryError(
        "overloaded",
        `partition ${target} of topic "${topic.spec.name}" is full: the bus in memory keeps ` +
          `${recordsPerPartitionMax} records of a partition; use Kafka for more`,
      );
    }
    for (const [index, { key, value, headers = {} }] of records.entries()) {
      const partition = topic.partitions[targets[index] ?? 0];
      partition?.push({ key, value: new Uint8Array(value), headers: { ...headers } });
    }
    for (const group of groups.values()) {
      if (group.topic === topic) for (const member of group.members) member.wake();
    }
  }

  async function writeDeadLetters(letters: readonly DeadLetter[]): Promise<void> {
    for (const { record, headers } of letters) {
      append(topicOf(deadLetterTopic(record.topic)), [
        { ...record, headers: { ...record.headers, ...headers } },
      ]);
    }
  }

  return {
    async ensureTopics(specs) {
      if (closed) throw busClosed();
      for (const spec of planTopics(specs)) {
        if (topics.has(spec.name)) continue;
        const partitions = Array.from({ length: spec.partitions }, () => [] as StoredRecord[]);
        topics.set(spec.name, { spec, partitions });
      }
    },
    async publish(topic, records) {
      append(topicOf(topic), records);
    },
    async consume(consumeOptions) {
      const group = groupOf(consumeOptions.group, topicOf(consumeOptions.topic));
      const consumer = await joinGroup(group, consumeOptions, { drainMs, writeDeadLetters });
      consumers.add(consumer);
      return consumer;
    },
    async extent(topic) {
      return topicOf(topic).partitions.map(({ length }, partition) => ({
        partition,
        first: 0n,
        next: BigInt(length),
      }));
    },
    async ping() {
      if (closed) throw busClosed();
    },
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      closed = true;
    },
  };
}

/** Deals the partitions out anew, once every member has let go of its own. */
function rebalance(group: Group): Promise<void> {
  group.rebalance = group.rebalance.then(async () => {
    await Promise.all([...group.members].map((member) => member.revoke()));
    const members = [...group.members];
    const partitions = [...group.topic.partitions.keys()];
    for (const [index, member] of members.entries()) {
      member.assign(partitions.filter((partition) => partition % members.length === index));
    }
  });
  return group.rebalance;
}

interface Bus {
  readonly drainMs: number;
  readonly writeDeadLetters: (letters: readonly DeadLetter[]) => Promise<void>;
}

async function joinGroup(group: Group, options: ConsumeOptions, bus: Bus): Promise<Consumer> {
  const { batchRecordsMax = BATCH_RECORDS_MAX } = options;
  const hard = new AbortController();
  let stop = new AbortController();
  let assigned: readonly number[] = [];
  let state: "joining" | "running" | "closed" | "failed" = "joining";
  let error: string | undefined;
  let paused = false;
  let running: Promise<void> = Promise.resolve();
  let wake = (): void => undefined;
  /** Rings when the first record's time has come, where all that is left is early. */
  let alarm: NodeJS.Timeout | undefined;
  const leaving = new AbortController();
  let closing: Promise<void> | undefined;

  /** The next batch, from the partition after the last one served, so that none starves. */
  function nextBatch(): readonly ConsumedRecord[] {
    clearTimeout(alarm);
    if (paused) return [];
    let earliestMs = Infinity;
    for (const partition of assigned) {
      const start = group.committed[partition] ?? 0;
      const stored = group.topic.partitions[partition]?.slice(start, start + batchRecordsMax) ?? [];
      if (stored.length === 0) continue;
      const records = stored.map((record, index) => ({
        topic: group.topic.spec.name,
        partition,
        offset: BigInt(start + index),
        key: record.key,
        value: new Uint8Array(record.value), // another group's handler must not see changes
        headers: record.headers,
      }));
      const { due, waitMs } = splitDue(records, options);
      earliestMs = Math.min(earliestMs, due.length === 0 ? waitMs : Infinity);
      if (due.length === 0) continue;
      assigned = [...assigned.filter((other) => other !== partition), partition];
      return due;
    }
    if (earliestMs < Infinity) alarm = setTimeout(() => wake(), earliestMs);
    return [];
  }

  async function handle(records: readonly ConsumedRecord[]): Promise<void> {
    await deliver(records, {
      options,
      writeDeadLetters: bus.writeDeadLetters,
      settled: async ({ partition, offset }) => {
        // A handler that outlived its drain time no longer owns the partition.
        if (state !== "closed") group.committed[partition] = Number(offset) + 1;
      },
      report: (retried) => {
        error = retried;
      },
      stop: stop.signal,
      signal: hard.signal,
    });
  }

  async function run(): Promise<void> {
    while (!leaving.signal.aborted) {
      const records = nextBatch();
      if (records.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else {
        running = handle(records);
        await running;
        await nextTurn(); // a handler that never waits must not starve the process
      }
    }
  }

  const member: Member = {
    async revoke() {
      assigned = [];
      stop.abort();
      if (state === "running") state = "joining";
      await running.catch(() => undefined);
    },
    assign(partitions) {
      if (leaving.signal.aborted) return;
      stop = new AbortController();
      assigned = partitions;
      if (state === "joining") state = "running";
      wake();
    },
    wake: () => wake(),
  };

  async function leave(): Promise<void> {
    assigned = [];
    leaving.abort();
    stop.abort();
    clearTimeout(alarm);
    wake();
    await drain(running, hard, bus.drainMs);
    state = "closed";
    group.members.delete(member);
    await rebalance(group);
  }

  group.members.add(member);
  await rebalance(group);
  run().catch((thrown: unknown) => {
    state = "failed";
    error = describeError(thrown);
    options.onFailed?.(thrown);
  });

  return {
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      wake();
    },
    status(): ConsumerStatus {
      const shown = state === "running" && error !== undefined ? "retrying" : state;
      return error === undefined ? { state: shown } : { state: shown, error };
    },
    async lag() {
      const ends = group.topic.partitions.map((partition) => partition.length);
      const lag = ends.reduce((sum, end, index) => sum + end - (group.committed[index] ?? 0), 0);
      return BigInt(lag);
    },
    close() {
      closing ??= leave();
      return closing;
    },
  };
}
