/** Points as Qdrant keeps them. */
import { createHash } from "node:crypto";
import { AVAILABILITY_NAMES } from "@marquetry/contracts/availability";
import { MarquetryError } from "@marquetry/runtime/errors";
import { z } from "zod";
import type { ModalityOutcome } from "../join-state.js";
import type { FoundPayload, PointPayload } from "../payload.js";
import type { FoundPoint, Point } from "../product-index.js";

const storedPayload = z.object({
  product_id: z.string(),
  revision: z.number(),
  removed: z.boolean(),
  title: z.string(),
  categories: z.array(z.string()),
  brand: z.string(),
  price: z.number().optional(),
  currency: z.string(),
  availability: z.enum(AVAILABILITY_NAMES),
  available_from_ms: z.number(),
  group_id: z.string(),
  modalities: z.array(z.string()),
  encoders: z.record(z.string(), z.object({ encoder: z.string(), digest: z.string() })),
  version: z.number().optional(),
  removed_revision: z.number().optional(),
  outcomes: z
    .record(
      z.string(),
      z.object({
        revision: z.number(),
        outcome: z.enum(["encoded", "imputed", "failed", "absent"]),
        encoder: z.string().optional(),
        digest: z.string().optional(),
        vector_digest: z.number().optional(),
      }),
    )
    .optional(),
});

/** The part of it that searches bring. */
const foundPayload = storedPayload.pick({
  product_id: true,
  title: true,
  group_id: true,
  modalities: true,
  available_from_ms: true,
});

type StoredPayload = z.infer<typeof storedPayload>;

export const FOUND_KEYS = Object.keys(foundPayload.shape);

/** By payload key, the type of its index. */
export const INDEXED_FIELDS = {
  product_id: "keyword",
  revision: "integer",
  removed: "bool",
  categories: "keyword",
  brand: "keyword",
  price: "float",
  currency: "keyword",
  availability: "keyword",
  available_from_ms: "integer",
  group_id: "keyword",
  modalities: "keyword",
  version: "integer",
} as const satisfies Partial<Record<keyof StoredPayload, string>>;

/**
 * A UUID (version 8: of our own making) from the first 122 bits of SHA-256 of the product id. Two
 * among a thousand million products meet with a probability of 1e-19.
 */
export function pointId(productId: string): string {
  const bytes = createHash("sha256").update(productId).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [8, 12, 16, 20].reduceRight((id, at) => `${id.slice(0, at)}-${id.slice(at)}`, hex);
}

export function writePoint({ payload, vectors }: Point) {
  return {
    id: pointId(payload.productId),
    vector: mapValues(vectors, (vector) => Array.from(vector)),
    payload: {
      product_id: payload.productId,
      revision: payload.revision,
      removed: payload.removed,
      title: payload.title,
      categories: payload.categories,
      brand: payload.brand,
      ...(payload.price === undefined ? {} : { price: payload.price }),
      currency: payload.currency,
      availability: payload.availability,
      available_from_ms: payload.availableFromMs,
      group_id: payload.groupId,
      modalities: payload.modalities,
      encoders: payload.encoders,
      version: payload.version,
      removed_revision: payload.removedRevision,
      outcomes: payload.outcomes && mapValues(payload.outcomes, writeOutcome),
    },
  };
}

interface StoredRecord {
  readonly id: string | number;
  readonly payload?: unknown;
  readonly vector?: unknown;
}

/** @throws MarquetryError `corrupt` */
export function readPoint(record: StoredRecord): Point {
  const stored = readPayload(storedPayload, record);
  const payload: PointPayload = {
    ...toFoundPayload(stored),
    revision: stored.revision,
    removed: stored.removed,
    categories: stored.categories,
    brand: stored.brand,
    ...(stored.price === undefined ? {} : { price: stored.price }),
    currency: stored.currency,
    availability: stored.availability,
    encoders: stored.encoders,
    ...(stored.version === undefined ? {} : { version: stored.version }),
    ...(stored.removed_revision === undefined ? {} : { removedRevision: stored.removed_revision }),
    ...(stored.outcomes === undefined ? {} : { outcomes: mapValues(stored.outcomes, readOutcome) }),
  };
  return { payload, vectors: readVectors(record) };
}

/** @throws MarquetryError `corrupt` */
export function readFoundPoint(record: StoredRecord): FoundPoint {
  const payload = toFoundPayload(readPayload(foundPayload, record));
  return { payload, vectors: readVectors(record) };
}

function readPayload<Payload>(schema: z.ZodType<Payload>, { id, payload }: StoredRecord): Payload {
  const { data, error } = schema.safeParse(payload);
  if (data === undefined) {
    throw new MarquetryError("corrupt", `point ${id} is not one of ours`, { cause: error });
  }
  return data;
}

function toFoundPayload(stored: z.infer<typeof foundPayload>): FoundPayload {
  return {
    productId: stored.product_id,
    title: stored.title,
    groupId: stored.group_id,
    modalities: stored.modalities,
    availableFromMs: stored.available_from_ms,
  };
}

function readVectors({ vector }: StoredRecord): Record<string, Float32Array> {
  return mapValues((vector ?? {}) as Record<string, number[]>, (values) =>
    Float32Array.from(values),
  );
}

function writeOutcome({ vectorDigest, ...outcome }: ModalityOutcome) {
  return { ...outcome, vector_digest: vectorDigest };
}

/** JSON leaves out what is undefined on its way there; here it is left out on the way back. */
function readOutcome(stored: NonNullable<StoredPayload["outcomes"]>[string]): ModalityOutcome {
  const { revision, outcome, encoder, digest, vector_digest: vectorDigest } = stored;
  return {
    revision,
    outcome,
    ...(encoder === undefined ? {} : { encoder }),
    ...(digest === undefined ? {} : { digest }),
    ...(vectorDigest === undefined ? {} : { vectorDigest }),
  };
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}
