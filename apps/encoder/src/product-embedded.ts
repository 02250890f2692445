/** The event that says what came of a product change. */
import { create } from "@bufbuild/protobuf";
import {
  EmbeddedProductSchema,
  EmbeddingSchema,
  ModalityFailureSchema,
  ProductAttributesSchema,
  ProductEmbeddedSchema,
} from "@marquetry/contracts/events/product_pb";
import type {
  Product,
  ProductAttributes,
  ProductChange,
  ProductEmbedded,
} from "@marquetry/contracts/events/product_pb";
import type { ContentModality } from "@marquetry/contracts/modalities";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import type { CachedEncoder } from "./cached-encoder.js";
import type { Encoded } from "./encode-modality.js";

/** How one modality of one product ended. */
export type Outcome = { readonly kind: "absent" } | Encoded;

export interface EmbeddedOptions {
  readonly encoders: ReadonlyMap<ContentModality, CachedEncoder>;
  /** Whether products have no other modalities than these; else the event speaks for these only. */
  readonly complete: boolean;
}

/** A detail may repeat an address, and those are up to 10 MB long. */
const DETAIL_CHARACTERS_MAX = 500;

export function toEmbedded(
  { productId, revision, occurredAt, change }: ProductChange,
  outcomeOf: (modality: ContentModality) => Outcome,
  { encoders, complete }: EmbeddedOptions,
): ProductEmbedded {
  if (change.case !== "upserted") {
    return create(ProductEmbeddedSchema, {
      productId,
      revision,
      occurredAt,
      state: { case: "removed", value: {} },
    });
  }
  const embedded = create(EmbeddedProductSchema, { attributes: attributesOf(change.value) });
  if (!complete) embedded.modalities.push(...encoders.keys());
  for (const [modality, { manifest }] of encoders) {
    const outcome = outcomeOf(modality);
    if (outcome.kind === "absent") {
      embedded.absent.push(modality);
    } else if (outcome.kind === "failed") {
      const { cause } = outcome;
      const detail = outcome.detail.slice(0, DETAIL_CHARACTERS_MAX);
      embedded.failed.push(create(ModalityFailureSchema, { modality, cause, detail }));
    } else {
      const { digest } = outcome;
      const vector = vectorToBytes(outcome.vector);
      embedded.embeddings.push(
        create(EmbeddingSchema, { modality, encoder: manifest.id, digest, vector }),
      );
    }
  }
  return create(ProductEmbeddedSchema, {
    productId,
    revision,
    occurredAt,
    state: { case: "embedded", value: embedded },
  });
}

function attributesOf(product: Product): ProductAttributes {
  const { title, categories, brand, price, currency, availability, availableFrom, groupId } =
    product;
  return create(ProductAttributesSchema, {
    title,
    categories,
    brand,
    currency,
    availability,
    groupId,
    ...(price === undefined ? {} : { price }),
    ...(availableFrom === undefined ? {} : { availableFrom }),
  });
}
