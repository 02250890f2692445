/**
 * What is known of a product: a function of the set of its events, whatever their order and however
 * often each comes (docs/adr/0009). `join` is commutative, associative and idempotent:
 * - of each modality the greatest outcome counts: by revision, then an encoded one before an
 *   imputed one before a failed one before an absent one, then by digests, so that two encoders
 *   that differ leave one answer;
 * - attributes are those of the highest revision;
 * - a removal takes away everything as of its revision or before.
 */
import { createHash } from "node:crypto";
import type { ModalityOutcome } from "@marquetry/backends/product-index/join-state";
import type { PointPayload } from "@marquetry/backends/product-index/payload";

export type Attributes = Omit<
  PointPayload,
  "removed" | "modalities" | "encoders" | "version" | "outcomes" | "removedRevision"
>;

export interface Outcome extends ModalityOutcome {
  /** Of an encoded one, where it has been read. */
  readonly vector?: Float32Array;
}

export interface ProductState {
  readonly productId: string;
  /** The last removal; 0 without one that still matters. */
  readonly removedRevision: number;
  /** As of `attributes.revision`, the highest revision of all; undefined for a removed product. */
  readonly attributes: Attributes | undefined;
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

const RANKS = { absent: 0, failed: 1, imputed: 2, encoded: 3 } as const;

/** Whether the outcome comes with a vector. */
export function hasVector({ outcome }: ModalityOutcome): boolean {
  return outcome === "encoded" || outcome === "imputed";
}

/** @param modalities all that the bundle has */
export function join(
  a: ProductState,
  b: ProductState,
  modalities: readonly string[],
): ProductState {
  const outcomes = new Map(a.outcomes);
  for (const [modality, outcome] of b.outcomes) {
    const rival = outcomes.get(modality);
    outcomes.set(modality, rival === undefined ? outcome : greaterOutcome(rival, outcome));
  }
  const removedRevision = Math.max(a.removedRevision, b.removedRevision);
  const attributes = greaterAttributes(a.attributes, b.attributes);
  return settle({ productId: a.productId, removedRevision, attributes, outcomes }, modalities);
}

/** Drops what a removal took away, and the removal once there is nothing that it could still drop. */
export function settle(state: ProductState, modalities: readonly string[]): ProductState {
  const { productId, removedRevision } = state;
  if (removedRevision === 0) return state;
  const outcomes = new Map(
    [...state.outcomes].filter(([, { revision }]) => revision > removedRevision),
  );
  const live = (state.attributes?.revision ?? 0) > removedRevision;
  const attributes = live ? state.attributes : undefined;
  const spent = live && modalities.every((modality) => outcomes.has(modality));
  return { productId, removedRevision: spent ? 0 : removedRevision, attributes, outcomes };
}

/** A whole number from 1 to 2^53 - 1 that tells states apart. */
export function versionOf({ removedRevision, attributes, outcomes }: ProductState): number {
  const sorted = [...outcomes]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([modality, outcome]) => [modality, outcomeFields(outcome)]);
  return digestNumber(
    JSON.stringify([removedRevision, attributes && attributeFields(attributes), sorted]),
  );
}

export function vectorDigest(vector: Uint8Array): number {
  return digestNumber(vector);
}

function digestNumber(content: string | Uint8Array): number {
  const bits = createHash("sha256").update(content).digest().readBigUInt64BE() >> 11n;
  return Math.max(Number(bits), 1);
}

function greaterOutcome(a: Outcome, b: Outcome): Outcome {
  const order =
    a.revision - b.revision ||
    RANKS[a.outcome] - RANKS[b.outcome] ||
    compare(a.digest ?? "", b.digest ?? "") ||
    compare(a.encoder ?? "", b.encoder ?? "") ||
    (a.vectorDigest ?? 0) - (b.vectorDigest ?? 0);
  if (order !== 0) return order > 0 ? a : b;
  return a.vector === undefined ? b : a;
}

function greaterAttributes(
  a: Attributes | undefined,
  b: Attributes | undefined,
): Attributes | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.revision !== b.revision) return a.revision > b.revision ? a : b;
  return compare(attributeFields(a), attributeFields(b)) >= 0 ? a : b;
}

function outcomeFields(outcome: Outcome): (string | number)[] {
  const { revision, encoder = "", digest = "", vectorDigest: vector = 0 } = outcome;
  return [revision, outcome.outcome, encoder, digest, vector];
}

function attributeFields(attributes: Attributes): string {
  return JSON.stringify(Object.entries(attributes).toSorted(([a], [b]) => compare(a, b)));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
