import kafkajs from "kafkajs";
import type { ICustomPartitioner, Message, Producer } from "kafkajs";
import { withAdmin } from "./admin.js";
import { createBatchingProducer } from "./batching-producer.js";
import type { BatchingProducer } from "./batching-producer.js";
import { createClient, REQUEST_MS_MAX } from "./client.js";
import type { KafkaEventBusOptions } from "./client.js";
import { hasType, toBusError } from "./errors.js";
import { RECORD_FRAMING_BYTES } from "./records.js";
import type { PartitionedMessage } from "./records.js";
import { recordBytesMaxOf } from "./topics.js";

const WAITING_RECORDS_MAX = 100_000;

/** One producer a topic, opened with the topic's first record. */
interface Producers {
  /** @throws MarquetryError `invalid` for an unknown topic, `unavailable` */
  of(topic: string): Promise<TopicProducer>;
  /** Resolves when everything that waits is sent and the connections are closed. */
  close(): Promise<void>;
}

interface TopicProducer extends BatchingProducer<PartitionedMessage> {
  readonly recordBytesMax: number;
  close(): Promise<void>;
}

export function createProducers(options: KafkaEventBusOptions): Producers {
  const producers = new Map<string, Promise<TopicProducer>>();
  return {
    of(topic) {
      const opened =
        producers.get(topic) ?? openTopicProducer(topic, options, () => producers.delete(topic));
      producers.set(topic, opened);
      opened.catch(() => producers.delete(topic)); // the next publish looks again
      return opened;
    },
    async close() {
      const opened = await Promise.allSettled(producers.values());
      await Promise.all(
        opened
          .filter((producer) => producer.status === "fulfilled")
          .map((producer) => producer.value.close()),
      );
    },
  };
}

async function openTopicProducer(
  topic: string,
  options: KafkaEventBusOptions,
  onTopicGone: () => void,
): Promise<TopicProducer> {
  const recordBytesMax = await withAdmin(options, 2, (admin) => recordBytesMaxOf(admin, topic));
  const producer = createClient(options, 2).producer({
    allowAutoTopicCreation: false,
    createPartitioner,
    idempotent: false, // kafkajs's implementation breaks under load (tulios/kafkajs#1005)
  });
  await producer.connect().catch((error: unknown) => {
    throw toBusError(error);
  });
  const batching = createBatchingProducer<PartitionedMessage>({
    send: (messages) => send(producer, topic, messages, onTopicGone),
    sendBytesMax: recordBytesMax + RECORD_FRAMING_BYTES,
    waitingMax: WAITING_RECORDS_MAX,
  });
  return {
    ...batching,
    recordBytesMax,
    async close() {
      await batching.idle();
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
      // Deleted, or not known yet to this broker: the next publish opens a new one and finds out.
      onTopicGone();
      producer.disconnect().catch(() => undefined);
    }
    throw toBusError(error);
  }
}

/** murmur2, as the Java client, of the partition key where there is one. */
function createPartitioner(): ReturnType<ICustomPartitioner> {
  const choose = kafkajs.Partitioners.DefaultPartitioner();
  return (request) => {
    const { partitionKey }: PartitionedMessage = request.message;
    if (partitionKey === undefined) return choose(request);
    return choose({ ...request, message: { ...request.message, key: partitionKey } });
  };
}
