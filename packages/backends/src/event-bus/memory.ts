import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import { MarquetryError } from "@marquetry/runtime/errors";
import { DRAIN_MS } from "./delivery.js";
import type { DeadLetter } from "./delivery.js";
import type { Consumer, EventBus, OutgoingRecord } from "./event-bus.js";
import { createGroup, joinGroup } from "./memory-group.js";
import type { Group, StoredRecord, Topic } from "./memory-group.js";
import { partitionOf } from "./murmur2.js";
import { busClosed, checkSizes, groupReadsAnother, planTopics, unknownTopic } from "./topics.js";

interface MemoryEventBusOptions {
  /**
   * A new group starts at the first record, so nothing is ever dropped: a full partition refuses
   * to take more (`overloaded`). Default: 1,000,000.
   */
  readonly recordsPerPartitionMax?: number;
  /** Time that `close()` gives running handlers before it aborts them. Default: 10,000. */
  readonly drainMs?: number;
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
    const group = groups.get(name) ?? createGroup(topic);
    if (group.topic !== topic) throw groupReadsAnother(name, group.topic.spec.name);
    groups.set(name, group);
    return group;
  }

  function publish(topic: Topic, records: readonly OutgoingRecord[]): void {
    append(topic, records, recordsPerPartitionMax);
    for (const group of groups.values()) {
      if (group.topic === topic) for (const member of group.members) member.wake();
    }
  }

  async function writeDeadLetters(letters: readonly DeadLetter[]): Promise<void> {
    for (const { record, headers } of letters) {
      publish(topicOf(deadLetterTopic(record.topic)), [
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
      publish(topicOf(topic), records);
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

/** All of the records or none. */
function append(topic: Topic, records: readonly OutgoingRecord[], countMax: number): void {
  checkSizes(topic.spec.name, records, topic.spec.recordBytesMax);
  const counts = topic.partitions.map((partition) => partition.length);
  const targets = records.map(({ key, partitionKey = key }) =>
    partitionOf(partitionKey, counts.length),
  );
  for (const target of targets) {
    const count = (counts[target] ?? 0) + 1;
    counts[target] = count;
    if (count <= countMax) continue;
    throw new MarquetryError(
      "overloaded",
      `partition ${target} of topic "${topic.spec.name}" is full: the bus in memory keeps ` +
        `${countMax} records of a partition; use Kafka for more`,
    );
  }
  for (const [index, { key, value, headers = {} }] of records.entries()) {
    const partition = topic.partitions[targets[index] ?? 0];
    partition?.push({ key, value: new Uint8Array(value), headers: { ...headers } });
  }
}
