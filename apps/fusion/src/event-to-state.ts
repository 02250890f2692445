/** What one event says of its product. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { availabilityName } from "@marquetry/contracts/availability";
import type {
  EmbeddedProduct,
  Embedding,
  ProductAttributes,
  ProductEmbedded,
} from "@marquetry/contracts/events/product_pb";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import type { Bundle, EncoderReference } from "@marquetry/model/bundle";
import { vectorFromBytes } from "@marquetry/model/vectors/vector";
import { hasVector, vectorDigest } from "./product-state.js";
import type { Attributes, Outcome, ProductState } from "./product-state.js";

/** Why an event cannot be used. */
export interface UnusableEvent {
  readonly cause: string;
}

/** The state that the event alone leads to, as far as the bundle's modalities go. */
export function stateOfEvent(event: ProductEmbedded, bundle: Bundle): ProductState | UnusableEvent {
  const { productId } = event;
  const revision = Number(event.revision);
  if (event.state.case !== "embedded")
    return { productId, removedRevision: revision, attributes: undefined, outcomes: new Map() };
  const product = event.state.value;
  const outcomes = outcomesWithoutVectors(product, revision, bundle);
  for (const embedding of product.embeddings) {
    const { modality, encoder, digest, vector, imputed } = embedding;
    // A modality that the bundle does not use is no mistake; another encoder's vector is. The
    // collaborative modality is made anew with each bundle, and the topic keeps that of them all.
    if (!Object.hasOwn(bundle.encoders, modality)) continue;
    const expected = bundle.encoders[modality] as EncoderReference;
    if (modality === COLLABORATIVE && encoder !== expected.encoder) {
      outcomes.delete(modality);
      continue;
    }
    const cause = causeAgainst(embedding, outcomes.get(modality), expected, bundle.id);
    if (cause !== undefined) return { cause };
    const values = vectorFromBytes(vector);
    if (!values.every(Number.isFinite))
      return { cause: `${modality} holds a number that is not finite` };
    const encoded = { encoder, digest, vectorDigest: vectorDigest(vector), vector: values };
    outcomes.set(modality, { revision, outcome: imputed ? "imputed" : "encoded", ...encoded });
  }
  const attributes = attributesOf(event, product);
  return { productId, removedRevision: 0, attributes, outcomes };
}

/** Of each modality that the event speaks for: failed, or absent until a vector is found. */
function outcomesWithoutVectors(
  { modalities, failed }: EmbeddedProduct,
  revision: number,
  { encoders }: Bundle,
): Map<string, Outcome> {
  const spoken = new Set(modalities);
  const failures = new Set(failed.map(({ modality }) => modality));
  const outcomes = new Map<string, Outcome>();
  for (const modality of Object.keys(encoders)) {
    // An event that names no modality speaks for all that encoders make.
    if (spoken.size === 0 ? modality === COLLABORATIVE : !spoken.has(modality)) continue;
    outcomes.set(modality, { revision, outcome: failures.has(modality) ? "failed" : "absent" });
  }
  return outcomes;
}

/** Undefined for an embedding that can be used. */
function causeAgainst(
  { modality, encoder, vector }: Embedding,
  before: Outcome | undefined,
  expected: EncoderReference,
  bundleId: string,
): string | undefined {
  if (before === undefined) return `${modality} is not one that the event speaks for`;
  if (hasVector(before)) return `${modality} stands twice`;
  if (encoder !== expected.encoder)
    return `${modality} is encoded by ${encoder}, bundle ${bundleId} expects ${expected.encoder}`;
  if (vector.length !== expected.dims * Float32Array.BYTES_PER_ELEMENT)
    return `${modality} has ${vector.length} bytes, expected ${expected.dims} float32`;
  return undefined;
}

function attributesOf(event: ProductEmbedded, { attributes }: EmbeddedProduct): Attributes {
  const { title, categories, brand, price, currency, availability, availableFrom, groupId } =
    attributes as ProductAttributes;
  return {
    productId: event.productId,
    revision: Number(event.revision),
    title,
    categories: withAncestors(categories),
    brand,
    ...(price === undefined ? {} : { price }),
    currency,
    // Any other value, also one that this service does not know yet, counts as in stock.
    availability: availabilityName(availability) ?? "in-stock",
    availableFromMs: timestampMs(availableFrom ?? (event.occurredAt as Timestamp)),
    groupId: groupId === "" ? event.productId : groupId,
  };
}

/** "Women/Bottoms/Pants" stands in "Women" and "Women/Bottoms" too. */
function withAncestors(categories: readonly string[]): string[] {
  const all = categories.flatMap((path) => {
    const levels = path.split("/");
    return levels.map((_, depth) => levels.slice(0, depth + 1).join("/"));
  });
  return [...new Set(all)].sort();
}
