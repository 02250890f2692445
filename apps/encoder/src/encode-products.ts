/** Product changes in, products with their vectors out. */
import { create } from "@bufbuild/protobuf";
import type { EncodeResult, Encoder } from "@marquetry/backends/inference";
import {
  EmbeddedProductSchema,
  EmbeddingSchema,
  FailureCause,
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
import { vectorToBytes } from "@marquetry/model/vector";
import { contentDigest, textOf } from "./content.js";
import type { EmbeddingCache } from "./embedding-cache.js";
import type { EncoderEvents } from "./events.js";
import type { MediaReader, MediaResult } from "./media.js";

export type EncodeProducts = (changes: readonly ProductChange[]) => Promise<ProductEmbedded[]>;

export interface EncodeProductsParts {
  /** One encoder per modality. */
  readonly encoders: ReadonlyMap<Modality, Encoder>;
  readonly readMedia: MediaReader;
  readonly cache: EmbeddingCache;
  readonly events: EncoderEvents;
}

export type Modality = "text" | "image";

/** How one modality of one product ended. */
type Outcome =
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly cause: FailureCause; readonly detail: string }
  | { readonly kind: "encoded"; readonly digest: string; readonly vector: Float32Array };

type Content =
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly cause: FailureCause; readonly detail: string }
  | { readonly kind: "content"; readonly content: string | Uint8Array };

const MEDIA_READS_MAX = 8;
/** Contents in memory at a time, each up to MEDIA_BYTES_MAX; also far below what may wait for an
 * encoder, so that no batch overloads it. */
const CONTENTS_HELD_MAX = 32;
/** A detail may repeat an address, and those are up to 10 MB long. */
const DETAIL_CHARACTERS_MAX = 500;

const MEDIA_CAUSES = {
  "not-found": FailureCause.NOT_FOUND,
  refused: FailureCause.REFUSED,
  "too-large": FailureCause.TOO_LARGE,
  undecodable: FailureCause.UNDECODABLE,
  unreachable: FailureCause.UNREACHABLE,
} as const;

const ENCODE_CAUSES = {
  undecodable: FailureCause.UNDECODABLE,
  "too-large": FailureCause.TOO_LARGE,
  encoder: FailureCause.ENCODER,
} as const;

/**
 * Encodes a batch of changes; answers one event per change, in the same order. Each modality of each
 * product ends as encoded, absent or failed, and a failed one never harms another. Content that the
 * cache holds, or that stands in the batch more than once, is not encoded again.
 */
export function createEncodeProducts(parts: EncodeProductsParts): EncodeProducts {
  const { encoders, events } = parts;
  return async (changes) => {
    const outcomes = new Map(
      await Promise.all(
        [...encoders].map(
          async ([modality, encoder]) =>
            [modality, await outcomesOf(modality, encoder, changes, parts)] as const,
        ),
      ),
    );
    return changes.map((change, index) => {
      const embedded = toEmbedded(change, encoders, (modality) => outcomes.get(modality)?.[index]);
      events.productEncoded(embedded);
      return embedded;
    });
  };
}

async function outcomesOf(
  modality: Modality,
  encoder: Encoder,
  changes: readonly ProductChange[],
  parts: EncodeProductsParts,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let start = 0; start < changes.length; start += CONTENTS_HELD_MAX) {
    const held = changes.slice(start, start + CONTENTS_HELD_MAX);
    const contents = await contentsOf(modality, held, parts.readMedia);
    outcomes.push(...(await encodeContents(encoder, contents, parts)));
  }
  return outcomes;
}

async function contentsOf(
  modality: Modality,
  changes: readonly ProductChange[],
  readMedia: MediaReader,
): Promise<Content[]> {
  const contents: Content[] = Array.from(changes, () => ({ kind: "absent" }));
  const indexesByUrl = new Map<string, number[]>();
  changes.forEach(({ change }, index) => {
    if (change.case !== "upserted") return;
    const product = change.value;
    if (modality === "text") {
      const text = textOf(product);
      if (text !== "") contents[index] = { kind: "content", content: text };
      return;
    }
    const [image] = product.images;
    if (image === undefined) return;
    const indexes = indexesByUrl.get(image.url);
    if (indexes === undefined) indexesByUrl.set(image.url, [index]);
    else indexes.push(index);
  });
  const waiting = [...indexesByUrl];
  await Promise.all(
    Array.from({ length: MEDIA_READS_MAX }, async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const [url, indexes] = next;
        const content = fromMedia(await readMedia(url));
        for (const index of indexes) contents[index] = content;
      }
    }),
  );
  return contents;
}

function fromMedia(media: MediaResult): Content {
  if ("bytes" in media) return { kind: "content", content: media.bytes };
  return { kind: "failed", cause: MEDIA_CAUSES[media.failure], detail: media.detail };
}

async function encodeContents(
  encoder: Encoder,
  contents: readonly Content[],
  { cache, events }: EncodeProductsParts,
): Promise<Outcome[]> {
  const { id, modality } = encoder.manifest;
  const wanted = contents.map((content) =>
    content.kind === "content"
      ? { ...content, digest: contentDigest(id, content.content) }
      : content,
  );
  const results = new Map<string, EncodeResult>();
  const missing = new Map<string, string | Uint8Array>();
  for (const each of wanted) {
    if (each.kind !== "content") continue;
    const cached = cache.get(each.digest);
    if (cached === undefined) missing.set(each.digest, each.content);
    else results.set(each.digest, { vector: cached });
  }
  const encoded = await encoder.encode([...missing.values()]);
  [...missing.keys()].forEach((digest, index) => {
    const result = encoded[index];
    if (result === undefined) throw new Error("the encoder gave fewer results than contents");
    results.set(digest, result);
    if ("vector" in result) cache.set(digest, result.vector);
  });
  events.contentsEncoded(modality, missing.size);
  return wanted.map((each) => {
    if (each.kind !== "content") return each;
    const result = results.get(each.digest);
    if (result === undefined) throw new Error("a content is neither cached nor encoded");
    if ("vector" in result) return { kind: "encoded", digest: each.digest, vector: result.vector };
    return { kind: "failed", cause: ENCODE_CAUSES[result.failure], detail: result.detail };
  });
}

function toEmbedded(
  { productId, revision, occurredAt, change }: ProductChange,
  encoders: ReadonlyMap<Modality, Encoder>,
  outcomeOf: (modality: Modality) => Outcome | undefined,
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
  for (const [modality, encoder] of encoders) {
    const outcome = outcomeOf(modality) ?? { kind: "absent" };
    if (outcome.kind === "absent") {
      embedded.absent.push(modality);
    } else if (outcome.kind === "failed") {
      const { cause } = outcome;
      const detail = outcome.detail.slice(0, DETAIL_CHARACTERS_MAX);
      embedded.failed.push(create(ModalityFailureSchema, { modality, cause, detail }));
    } else {
      const vector = vectorToBytes(outcome.vector);
      const { id } = encoder.manifest;
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
