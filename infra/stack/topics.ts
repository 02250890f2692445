/** Creates the topics and gives them their settings. */
import { setTimeout as pause } from "node:timers/promises";
import kafkajs from "kafkajs";
import type { Admin } from "kafkajs";
import { StackError } from "./options.js";
import type { TopicTable } from "./topic-table.js";

// CommonJS: not all of its names are visible to an ES module by themselves.
const { ConfigResourceTypes, Kafka, KafkaJSError, logLevel } = kafkajs;

const ATTEMPT_PAUSE_MS = 200;

/** Waits until a broker takes requests, at most `timeoutMs`. */
export async function awaitBroker(brokers: readonly string[], timeoutMs: number): Promise<void> {
  await withAdmin(brokers, timeoutMs, async (admin) => {
    if ((await admin.describeCluster()).brokers.length === 0) throw new Error("no broker yet");
    await assertCoordinators(admin);
  });
}

/** Kafka's default for `offsets.topic.num.partitions`. */
const OFFSETS_PARTITIONS = 50;

/**
 * A broker takes requests before it coordinates groups, and a group that joins in between fails
 * ("The coordinator is loading"). A group belongs to the partition that the hash code of its name
 * gives: of names of one character, that many in a row stand for all partitions.
 * @throws KafkaJSError while one of them is loading
 */
async function assertCoordinators(admin: Admin): Promise<void> {
  const names = Array.from({ length: OFFSETS_PARTITIONS }, (_, i) => String.fromCharCode(48 + i));
  await admin.describeGroups(names);
}

/**
 * Creates the topics that are missing and gives all of them the table's settings. Says which were
 * created. Partitions are never added: that would move keys to other partitions.
 * @throws StackError when a topic exists with another number of partitions
 */
export async function createTopics(
  brokers: readonly string[],
  table: TopicTable,
  timeoutMs: number,
): Promise<string[]> {
  const created = new Set<string>();
  await withAdmin(brokers, timeoutMs, async (admin) => {
    const { brokers: members } = await admin.describeCluster();
    if (members.length === 0) throw new Error("no broker yet");
    const topics = clusterTopics(table, members.length);
    const existing = new Set(await admin.listTopics());
    const missing = topics.filter(({ topic }) => !existing.has(topic));
    if (missing.length > 0) {
      // With waitForLeaders it fails now and then after it has created the topic.
      await admin.createTopics({ topics: missing, waitForLeaders: false });
      for (const { topic } of missing) created.add(topic);
    }
    await checkPartitions(admin, topics);
    const older = topics.filter(({ topic }) => existing.has(topic));
    await applySettings(admin, older);
    await assertCoordinators(admin);
  });
  return [...created];
}

/** The table as a cluster of so many brokers can have it. */
export function clusterTopics(table: TopicTable, brokers: number) {
  return table.topics.map(({ name, partitions, config }) => ({
    topic: name,
    numPartitions: partitions,
    replicationFactor: Math.min(table.replicationFactor, brokers),
    configEntries: Object.entries({
      ...config,
      "min.insync.replicas": String(Math.min(table.minInsyncReplicas, brokers)),
    }).map(([key, value]) => ({ name: key, value })),
  }));
}

async function checkPartitions(
  admin: Admin,
  topics: ReturnType<typeof clusterTopics>,
): Promise<void> {
  const metadata = await admin.fetchTopicMetadata({ topics: topics.map(({ topic }) => topic) });
  for (const { topic, numPartitions } of topics) {
    const partitions = metadata.topics.find(({ name }) => name === topic)?.partitions ?? [];
    if (partitions.some(({ leader }) => leader < 0)) throw new Error(`${topic} has no leader yet`);
    if (partitions.length !== numPartitions) {
      throw new StackError(
        `topic ${topic} has ${partitions.length} partitions, the topic table says ${numPartitions}: ` +
          "delete the topic, or run stack:down -- --wipe where its data can go",
      );
    }
  }
}

async function applySettings(
  admin: Admin,
  topics: ReturnType<typeof clusterTopics>,
): Promise<void> {
  if (topics.length === 0) return;
  await admin.alterConfigs({
    validateOnly: false,
    resources: topics.map(({ topic, configEntries }) => ({
      type: ConfigResourceTypes.TOPIC,
      name: topic,
      configEntries,
    })),
  });
}

/** Repeats the work until it succeeds or the time is over: a broker that has just started, or a
 * topic that has just been created, is not known everywhere at once. */
async function withAdmin(
  brokers: readonly string[],
  timeoutMs: number,
  work: (admin: Admin) => Promise<void>,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const kafka = new Kafka({
      brokers: [...brokers],
      clientId: "marquetry-stack",
      logLevel: logLevel.NOTHING,
      connectionTimeout: 2_000,
      retry: { retries: 0 },
    });
    const admin = kafka.admin();
    try {
      await admin.connect();
      await work(admin);
      return;
    } catch (error) {
      if (error instanceof StackError || !(error instanceof Error)) throw error;
      if (Date.now() > deadline) {
        const what = error instanceof KafkaJSError ? "Kafka" : "the topics";
        throw new StackError(`${what} at ${brokers.join(", ")}: ${error.message}`);
      }
    } finally {
      await admin.disconnect();
    }
    await pause(ATTEMPT_PAUSE_MS);
  }
}
