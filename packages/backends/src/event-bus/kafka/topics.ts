/** What the brokers know of topics and groups. */
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import type { Admin } from "kafkajs";
import type { PartitionExtent, TopicSpec } from "../event-bus.js";
import { unknownTopic } from "../topics.js";
import { hasType } from "./errors.js";

/** `max.message.bytes` bounds a batch as framed on the wire; this much goes to its framing. */
const FRAMING_BYTES = 512;
const CREATE_ROUNDS_MAX = 40;
const CREATE_PAUSE_MS = 250;

/** A new topic is not known to every broker at once, so this looks until it is. */
export async function createTopics(admin: Admin, plan: readonly TopicSpec[]): Promise<void> {
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
        "UNKNOWN_TOPIC_OR_PARTITION", // created, but this broker does not know yet
        "LEADER_NOT_AVAILABLE",
      );
      if (!passes || round === CREATE_ROUNDS_MAX) throw error;
    }
    if (round === CREATE_ROUNDS_MAX) throw unknownTopic(missing[0]?.name ?? "");
    await sleep(CREATE_PAUSE_MS);
  }
}

/** @throws MarquetryError `invalid` for an unknown topic */
export async function recordBytesMaxOf(admin: Admin, topic: string): Promise<number> {
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

/** @throws MarquetryError `invalid` for an unknown topic */
export async function extentOf(admin: Admin, topic: string): Promise<PartitionExtent[]> {
  await recordBytesMaxOf(admin, topic); // says what is wrong where there is no such topic
  const offsets = await admin.fetchTopicOffsets(topic);
  return offsets
    .map(({ partition, low, high }) => ({ partition, first: BigInt(low), next: BigInt(high) }))
    .toSorted((a, b) => a.partition - b.partition);
}

/** Records between the group's committed offsets and the ends of the partitions. */
export async function lagOf(admin: Admin, group: string, topic: string): Promise<bigint> {
  const ends = await admin.fetchTopicOffsets(topic);
  const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
  const next = new Map(
    committed?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]),
  );
  let lag = 0n;
  for (const { partition, low, high } of ends) {
    const offset = next.get(partition) ?? -1n;
    lag += BigInt(high) - (offset < BigInt(low) ? BigInt(low) : offset);
  }
  return lag;
}
