/** The topic table: name, message, key and policy of every topic, for producers, consumers and
 * operators alike. Keys are the product id or the user id, so that one entity's events stay in
 * order. `npm run topics -- write` makes infra/topics.json of it. */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { ClickstreamEventSchema } from "../gen/marquetry/events/v1/clickstream_pb.js";
import {
  ProductChangeSchema,
  ProductEmbeddedSchema,
} from "../gen/marquetry/events/v1/product_pb.js";
import type { ProductEmbedded } from "../gen/marquetry/events/v1/product_pb.js";
import {
  DEAD_LETTER_PARTITIONS,
  DEAD_LETTER_RETENTION_MS,
  deadLetterTopic,
} from "./dead-letters.js";
import { COLLABORATIVE } from "./modalities.js";

/** How a cluster has to keep a topic. infra/README.md says why for each topic. */
export interface TopicPolicy {
  readonly name: string;
  /** Fixed once data is there: more partitions would move keys. */
  readonly partitions: number;
  /** Largest key, value and headers of a record together. A dead letter's headers that say why it
   * is one come on top. */
  readonly recordBytesMax: number;
  /** The last record of each key for ever and all records of the last day, or all of some time. */
  readonly cleanup: "compact" | { readonly retentionMs: number };
}

export interface Topic<Desc extends DescMessage> extends TopicPolicy {
  readonly schema: Desc;
  readonly key: (message: MessageShape<Desc>) => string;
}

/** Of each topic, in production. A cluster of fewer brokers has fewer. */
export const REPLICAS = { count: 3, inSyncMin: 2 } as const;

const DAY_MS = 86_400_000;

export const PRODUCT_CHANGES: Topic<typeof ProductChangeSchema> = {
  name: "marquetry.product-changes.v1",
  schema: ProductChangeSchema,
  key: (change) => change.productId,
  partitions: 6,
  // Pictures may travel inside as data: URLs.
  recordBytesMax: 12 * 1024 * 1024,
  cleanup: "compact",
};

/**
 * Changes of which a modality failed and may heal, with the bytes and headers they came with and
 * those of `RETRY_HEADERS`. The encoder writes and reads it.
 */
export const PRODUCT_CHANGES_RETRY: Topic<typeof ProductChangeSchema> = {
  name: "marquetry.product-changes-retry.v1",
  schema: ProductChangeSchema,
  key: (change) => change.productId,
  partitions: 6,
  recordBytesMax: PRODUCT_CHANGES.recordBytesMax + 16 * 1024,
  cleanup: { retentionMs: 14 * DAY_MS },
};

export const RETRY_HEADERS = {
  /** Which attempt the record waits for, from 1. */
  attempt: "marquetry-retry-attempt",
  /** Not before this time, in milliseconds since the epoch. */
  notBefore: "marquetry-not-before",
  /** The modalities that failed, separated by commas. */
  modalities: "marquetry-failed-modalities",
} as const;

/** The most attempts of a retry: each waits in a partition of its own. */
export const RETRY_ATTEMPTS_MAX = 6;

/**
 * Decides the partition of a retry: all that wait equally long wait in one, in the order in which
 * their time comes, so that none waits for another. By murmur2 these six names go to six different
 * partitions of six.
 */
export function retryPartitionKey(attempt: number): string {
  return `re-${attempt}`;
}

export const PRODUCT_EMBEDDINGS: Topic<typeof ProductEmbeddedSchema> = {
  name: "marquetry.product-embeddings.v1",
  schema: ProductEmbeddedSchema,
  key: (embedded) => embeddingKey(embedded, 0),
  partitions: 6,
  recordBytesMax: 1024 * 1024,
  cleanup: "compact",
};

export const CLICKSTREAM: Topic<typeof ClickstreamEventSchema> = {
  name: "marquetry.clickstream.v1",
  schema: ClickstreamEventSchema,
  key: (event) => event.userId,
  partitions: 6,
  recordBytesMax: 1024 * 1024,
  cleanup: { retentionMs: 30 * DAY_MS },
};

export const TOPICS = [
  PRODUCT_CHANGES,
  PRODUCT_CHANGES_RETRY,
  PRODUCT_EMBEDDINGS,
  CLICKSTREAM,
] as const;

/** The policies of all topics, each followed by that of its dead letters. */
export function topicPolicies(): TopicPolicy[] {
  return TOPICS.flatMap(({ name, partitions, recordBytesMax, cleanup }) => [
    { name, partitions, recordBytesMax, cleanup },
    {
      name: deadLetterTopic(name),
      partitions: DEAD_LETTER_PARTITIONS,
      recordBytesMax,
      cleanup: { retentionMs: DEAD_LETTER_RETENTION_MS },
    },
  ]);
}

/** No product id holds it. */
const KEY_SEPARATOR = "\u001f";

/**
 * The key of an embedded product: the topic is compacted to the last record of a key, and one of
 * these must never push out another that says something else. All go to the partition of the bare
 * product id. Collaborative vectors of different encoders (each trained bundle has its own) have
 * different keys.
 * @param attempt 0, or which retry made the event. Retries of one attempt come in the order of
 *   their revisions; between two attempts they need not.
 */
export function embeddingKey({ productId, state }: ProductEmbedded, attempt: number): string {
  const embedded = state.case === "embedded" ? state.value : undefined;
  const modalities = embedded?.modalities ?? [];
  const parts = [productId, ...(modalities.length === 0 ? [] : [modalities.toSorted().join("+")])];
  for (const { modality, encoder } of embedded?.embeddings ?? []) {
    if (modality === COLLABORATIVE && modalities.length > 0) parts.push(encoder);
  }
  if (attempt > 0) parts.push(`retry ${attempt}`);
  return parts.join(KEY_SEPARATOR);
}
