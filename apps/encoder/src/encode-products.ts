/** Product changes in, products with their vectors out. */
import { create } from "@bufbuild/protobuf";
import type { EmbeddingCache } from "@marquetry/backends/embedding-cache";
import type { Encoder } from "@marquetry/inference/encoder";
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
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import { textOf } from "./content.js";
import { createEncodeModality } from "./encode-modality.js";
import type { EncodeModality, Encoded, Source } from "./encode-modality.js";
import type { EncoderEvents } from "./events.js";
import type { MediaReader } from "./media/media-reader.js";
import { createSemaphore } from "./semaphore.js";

export type EncodeProducts = (changes: readonly ProductChange[]) => Promise<ProductEmbedded[]>;

export const CONTENT_MODALITIES = ["text", "image", "video"] as const;
export type ContentModality = (typeof CONTENT_MODALITIES)[number];

export interface EncodeProductsDeps {
  /** One encoder per modality. */
  readonly encoders: ReadonlyMap<ContentModality, Encoder>;
  /** Whether products have no other modalities than these, as is so unless told; else the events
   * speak for these only. */
  readonly complete?: boolean;
  readonly readMedia: MediaReader["read"];
  readonly cache: EmbeddingCache;
  readonly events: EncoderEvents;
  /** Hears how many groups of contents wait for a modality's encoder. */
  readonly onWaiting?: (modality: ContentModality, waiting: number) => void;
  /** Contents of a modality that are in memory together; 32 texts, 8 pictures and 2 videos unless
   * told. */
  readonly groupMax?: Partial<Record<ContentModality, number>>;
  /** 60,000 unless told. */
  readonly encodeTimeoutMs?: number;
}

/** While one group is encoded, the next ones are read. */
const GROUPS_MAX = 3;
const GROUP_MAX = { text: 32, image: 8, video: 2 } as const;
const ENCODE_TIMEOUT_MS = 60_000;

/** How one modality of one product ended. */
type Outcome = { readonly kind: "absent" } | Encoded;

/** A detail may repeat an address, and those are up to 10 MB long. */
const DETAIL_CHARACTERS_MAX = 500;

/**
 * Encodes a batch of changes; answers one event per change, in the same order. Each modality of each
 * product ends as encoded, absent or failed, and a failed one never harms another.
 */
export function createEncodeProducts(parts: EncodeProductsDeps): EncodeProducts {
  const { encoders, events, onWaiting = () => {}, groupMax = {} } = parts;
  const lanes = Array.from(encoders, ([modality, encoder]) => {
    const encode = createEncodeModality({
      ...parts,
      encoder,
      slots: createSemaphore(GROUPS_MAX, (waiting) => onWaiting(modality, waiting)),
      groupMax: groupMax[modality] ?? GROUP_MAX[modality],
      encodeTimeoutMs: parts.encodeTimeoutMs ?? ENCODE_TIMEOUT_MS,
    });
    return [modality, encode] as const;
  });
  return async (changes) => {
    const outcomes = new Map(
      await Promise.all(
        lanes.map(
          async ([modality, encode]) =>
            [modality, await outcomesOf(modality, encode, changes)] as const,
        ),
      ),
    );
    return changes.map((change, index) => {
      const embedded = toEmbedded(change, parts, (modality) => outcomes.get(modality)?.[index]);
      events.productEncoded(embedded);
      return embedded;
    });
  };
}

async function outcomesOf(
  modality: ContentModality,
  encode: EncodeModality,
  changes: readonly ProductChange[],
): Promise<Outcome[]> {
  const sources = changes.map((change) => sourceOf(modality, change));
  const encoded = await encode(sources.filter((source) => source !== undefined));
  let next = 0;
  return sources.map((source) =>
    source === undefined ? { kind: "absent" } : (encoded[next++] as Encoded),
  );
}

function sourceOf(modality: ContentModality, { change }: ProductChange): Source | undefined {
  if (change.case !== "upserted") return undefined;
  const product = change.value;
  if (modality === "text") {
    const text = textOf(product);
    return text === "" ? undefined : { kind: "text", text };
  }
  const [media] = modality === "image" ? product.images : product.videos;
  return media && { kind: modality, url: media.url, digest: media.digest };
}

function toEmbedded(
  { productId, revision, occurredAt, change }: ProductChange,
  { encoders, complete = true }: EncodeProductsDeps,
  outcomeOf: (modality: ContentModality) => Outcome | undefined,
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
    const { id } = manifest;
    const outcome = outcomeOf(modality) ?? { kind: "absent" };
    if (outcome.kind === "absent") {
      embedded.absent.push(modality);
    } else if (outcome.kind === "failed") {
      const { cause } = outcome;
      const detail = outcome.detail.slice(0, DETAIL_CHARACTERS_MAX);
      embedded.failed.push(create(ModalityFailureSchema, { modality, cause, detail }));
    } else {
      const vector = vectorToBytes(outcome.vector);
      embedded.embeddings.push(
        create(EmbeddingSchema, { modality, encoder: id, digest: outcome.digest, vector }),
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
