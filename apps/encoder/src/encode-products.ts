/** Product changes in, products with their vectors out. */
import type { ProductChange, ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import type { ContentModality } from "@marquetry/contracts/modalities";
import type { CachedEncoder } from "./cached-encoder.js";
import { textOf } from "./content.js";
import { createEncodeModality } from "./encode-modality.js";
import type { EncodeModality, Encoded, Source } from "./encode-modality.js";
import type { EncoderEvents } from "./events.js";
import type { MediaReader } from "./media/media-reader.js";
import { toEmbedded } from "./product-embedded.js";
import type { Outcome } from "./product-embedded.js";
import { createSemaphore } from "./concurrency/semaphore.js";

export type EncodeProducts = (changes: readonly ProductChange[]) => Promise<ProductEmbedded[]>;

export interface EncodeProductsDeps {
  /** One encoder per modality. */
  readonly encoders: ReadonlyMap<ContentModality, CachedEncoder>;
  /** Whether products have no other modalities than these; else the events speak for these only.
   * Default: true. */
  readonly complete?: boolean;
  readonly readMedia: MediaReader["read"];
  readonly events: EncoderEvents;
  /** Called with the number of groups of contents that wait for a modality's encoder. */
  readonly onWaiting?: (modality: ContentModality, waiting: number) => void;
  /** Contents of a modality that are in memory at a time. Default: 32 texts, 8 pictures, 2 videos. */
  readonly groupMax?: Partial<Record<ContentModality, number>>;
  /** Default: 60,000. */
  readonly encodeTimeoutMs?: number;
}

/** While one group is encoded, the next ones are read. */
const GROUPS_MAX = 3;
const GROUP_MAX = { text: 32, image: 8, video: 2 } as const;
const ENCODE_TIMEOUT_MS = 60_000;

/**
 * Encodes a batch of changes; answers one event per change, in the same order. Each modality of each
 * product ends as encoded, absent or failed, and a failed one never harms another.
 */
export function createEncodeProducts(deps: EncodeProductsDeps): EncodeProducts {
  const { encoders, complete = true, events, onWaiting = () => {}, groupMax = {} } = deps;
  const byModality = Array.from(encoders, ([modality, encoder]) => {
    const encode = createEncodeModality({
      encoder,
      readMedia: deps.readMedia,
      semaphore: createSemaphore(GROUPS_MAX, (waiting) => onWaiting(modality, waiting)),
      groupMax: groupMax[modality] ?? GROUP_MAX[modality],
      encodeTimeoutMs: deps.encodeTimeoutMs ?? ENCODE_TIMEOUT_MS,
    });
    return [modality, encode] as const;
  });
  return async (changes) => {
    const outcomes = new Map(
      await Promise.all(
        byModality.map(
          async ([modality, encode]) =>
            [modality, await outcomesOf(modality, encode, changes)] as const,
        ),
      ),
    );
    return changes.map((change, index) => {
      const outcomeOf = (modality: ContentModality): Outcome =>
        outcomes.get(modality)?.[index] ?? { kind: "absent" };
      const embedded = toEmbedded(change, outcomeOf, { encoders, complete });
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
  const encoded = (await encode(sources.filter((source) => source !== undefined))).values();
  return sources.map((source) =>
    source === undefined ? { kind: "absent" } : (encoded.next().value as Encoded),
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
