/** The port's records as kafkajs's messages, and back. */
import type { KafkaMessage, Message } from "kafkajs";
import type { DeadLetter } from "../delivery.js";
import type { ConsumedRecord, OutgoingRecord } from "../event-bus.js";

/** The framing of one record within a batch, at most. */
export const RECORD_FRAMING_BYTES = 32;

export interface PartitionedMessage extends Message {
  readonly partitionKey?: string;
}

/** Messages of a batch as the broker holds them, for dead letters equal to the byte. */
export type RawMessages = ReadonlyMap<bigint, KafkaMessage>;

export function toMessage(record: OutgoingRecord): PartitionedMessage {
  const { key, value, headers, partitionKey } = record;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return {
    key,
    value: bytes,
    ...(headers === undefined ? {} : { headers: { ...headers } }),
    ...(partitionKey === undefined ? {} : { partitionKey }),
  };
}

export function toDeadLetterMessage({ record, headers }: DeadLetter, raw: RawMessages): Message {
  const { key, value, headers: own } = raw.get(record.offset) ?? {};
  return { key: key ?? null, value: value ?? null, headers: { ...own, ...headers } };
}

/** A message's size in a batch, at most. */
export function messageBytes({ key, value, headers }: Message): number {
  let bytes = RECORD_FRAMING_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of Object.entries(headers ?? {})) {
    bytes += name.length + String(content).length;
  }
  return bytes;
}

export function toRecord(topic: string, partition: number, message: KafkaMessage): ConsumedRecord {
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
