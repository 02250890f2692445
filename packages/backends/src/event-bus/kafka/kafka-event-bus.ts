import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import type { DeadLetter } from "../delivery.js";
import type { Consumer, EventBus } from "../event-bus.js";
import { busClosed, checkSizes, groupReadsAnother, planTopics } from "../topics.js";
import { withAdmin } from "./admin.js";
import type { KafkaEventBusOptions } from "./client.js";
import { registerCodecs } from "./codecs.js";
import { joinGroup } from "./group-member.js";
import { createProducers } from "./producers.js";
import { messageBytes, RECORD_FRAMING_BYTES, toDeadLetterMessage, toMessage } from "./records.js";
import type { RawMessages } from "./records.js";
import { createTopics, extentOf, recordBytesMaxOf } from "./topics.js";

const PING_MS_MAX = 3_000;

/**
 * The bus on Apache Kafka, version 2.1 to 4.x. Each topic has its own producer and each consumer
 * its own client: a topic that is deleted spoils the metadata of every client that knew it, and
 * consumers of one kafkajs client share their offsets by mistake.
 */
export function createKafkaEventBus(options: KafkaEventBusOptions): EventBus {
  registerCodecs();
  const producers = createProducers(options);
  const consumers = new Set<Consumer>();
  const topicByGroup = new Map<string, string>();
  let closing: Promise<void> | undefined;

  function checkOpen(): void {
    if (closing !== undefined) throw busClosed();
  }

  async function writeDeadLetters(letters: readonly DeadLetter[], raw: RawMessages): Promise<void> {
    for (const letter of letters) {
      checkOpen();
      const message = toDeadLetterMessage(letter, raw);
      const producer = await producers.of(deadLetterTopic(letter.record.topic));
      await producer.push([message], [messageBytes(message)]);
    }
  }

  async function closeAll(): Promise<void> {
    await Promise.all([...consumers].map((consumer) => consumer.close()));
    await producers.close();
  }

  return {
    async ensureTopics(specs) {
      checkOpen();
      const plan = planTopics(specs);
      await withAdmin(options, 3, (admin) => createTopics(admin, plan));
    },
    async publish(topic, records) {
      checkOpen();
      const producer = await producers.of(topic);
      const bytes = checkSizes(topic, records, producer.recordBytesMax);
      await producer.push(
        records.map(toMessage),
        bytes.map((size) => size + RECORD_FRAMING_BYTES),
      );
    },
    async consume(consumeOptions) {
      checkOpen();
      const { topic, group } = consumeOptions;
      const groupTopic = topicByGroup.get(group) ?? topic;
      if (groupTopic !== topic) throw groupReadsAnother(group, groupTopic);
      await withAdmin(options, 3, (admin) => recordBytesMaxOf(admin, topic));
      topicByGroup.set(group, topic);
      const consumer = await joinGroup(options, consumeOptions, writeDeadLetters);
      consumers.add(consumer);
      return consumer;
    },
    async extent(topic) {
      checkOpen();
      return withAdmin(options, 3, (admin) => extentOf(admin, topic));
    },
    async ping() {
      checkOpen();
      await withAdmin(options, 0, (admin) => admin.describeCluster(), PING_MS_MAX);
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}
