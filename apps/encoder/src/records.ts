/** Records of the bus that the encoder writes: embeddings, and changes for another attempt. */
import { toBinary } from "@bufbuild/protobuf";
import type { ConsumedRecord, OutgoingRecord } from "@marquetry/backends/event-bus";
import { ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { CONTENT_MODALITIES } from "@marquetry/contracts/modalities";
import { embeddingKey, RETRY_HEADERS, retryPartitionKey } from "@marquetry/contracts/topics";
import type { Attempt, Retry } from "./retries.js";

const TRACE_HEADERS = new Set(["traceparent", "tracestate"]);

export function embeddedRecord(
  event: ProductEmbedded,
  { attempt }: Attempt,
  { headers }: ConsumedRecord,
): OutgoingRecord {
  return {
    key: embeddingKey(event, attempt),
    partitionKey: event.productId,
    value: toBinary(ProductEmbeddedSchema, event),
    headers: Object.fromEntries(
      Object.entries(headers).filter(([name]) => TRACE_HEADERS.has(name)),
    ),
  };
}

/** The same bytes under the same headers: another attempt reads what the first one read. */
export function retryRecord(
  { key, value, headers }: ConsumedRecord,
  { attempt, delayMs, modalities }: Retry,
): OutgoingRecord {
  return {
    key,
    partitionKey: retryPartitionKey(attempt),
    value,
    headers: {
      ...headers,
      [RETRY_HEADERS.attempt]: String(attempt),
      [RETRY_HEADERS.notBefore]: String(Date.now() + delayMs),
      [RETRY_HEADERS.modalities]: modalities.join(","),
    },
  };
}

/** A record without our headers, which somebody else must have written, is tried for everything. */
export function attemptOf({ headers }: ConsumedRecord): Attempt {
  const attempt = Number(headers[RETRY_HEADERS.attempt] ?? 1);
  const modalities = headers[RETRY_HEADERS.modalities]?.split(",") ?? CONTENT_MODALITIES;
  return { attempt: Number.isSafeInteger(attempt) && attempt > 0 ? attempt : 1, modalities };
}

/** When a record of the retry topic may be tried again. */
export function dueAtMs({ headers }: ConsumedRecord): number {
  return Number(headers[RETRY_HEADERS.notBefore] ?? 0) || 0;
}
