import { DEAD_LETTER_PARTITIONS, deadLetterTopic } from "@marquetry/contracts/dead-letters";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { OutgoingRecord, TopicSpec } from "./event-bus.js";

/** What a dead letter may weigh more than its source: the headers that say why it is one. */
const DEAD_LETTER_BYTES_EXTRA = 16_384;
/** A header costs its two lengths besides its text. */
const HEADER_BYTES = 10;
/** Kafka's bound on a topic's name, less what `.dlq` takes. */
const TOPIC_NAME = /^[A-Za-z0-9._-]{1,245}$/;

/** Checks the topics and adds the dead-letter topic of each. */
export function planTopics(topics: readonly TopicSpec[]): TopicSpec[] {
  return topics.flatMap((topic) => {
    if (!TOPIC_NAME.test(topic.name)) {
      throw new MarquetryError("invalid", `"${topic.name}" cannot name a topic`, { field: "name" });
    }
    for (const field of ["partitions", "recordBytesMax"] as const) {
      if (Number.isInteger(topic[field]) && topic[field] > 0) continue;
      throw new MarquetryError("invalid", `${field} of topic "${topic.name}" must be 1 or more`, {
        field,
      });
    }
    const deadLetters = {
      name: deadLetterTopic(topic.name),
      partitions: DEAD_LETTER_PARTITIONS,
      recordBytesMax: topic.recordBytesMax + DEAD_LETTER_BYTES_EXTRA,
    };
    return [topic, deadLetters];
  });
}

/** The size of a record as the topic's bound counts it: key, value and headers, in bytes. */
function recordBytes(record: OutgoingRecord): number {
  let bytes = Buffer.byteLength(record.key) + record.value.byteLength;
  for (const [name, value] of Object.entries(record.headers ?? {})) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + HEADER_BYTES;
  }
  return bytes;
}

/** @throws MarquetryError `invalid` for a record over the bound, before any is written. */
export function checkSizes(
  topic: string,
  records: readonly OutgoingRecord[],
  recordBytesMax: number,
): number[] {
  return records.map((record) => {
    const bytes = recordBytes(record);
    if (bytes <= recordBytesMax) return bytes;
    throw new MarquetryError(
      "invalid",
      `a record of ${bytes} bytes is over the ${recordBytesMax} bytes of topic "${topic}"`,
      { field: "value" },
    );
  });
}

export function unknownTopic(topic: string): MarquetryError {
  return new MarquetryError("invalid", `there is no topic "${topic}"`, { field: "topic" });
}

/** A group reads one topic: with two, Kafka's eager assignment gives members topics that they do not read. */
export function groupReadsAnother(group: string, topic: string): MarquetryError {
  return new MarquetryError("invalid", `group "${group}" already reads topic "${topic}"`, {
    field: "group",
  });
}

export function busClosed(): MarquetryError {
  return new MarquetryError("unavailable", "the event bus is closed");
}
