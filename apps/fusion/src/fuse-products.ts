/** Embedded products in, points of the vector index out. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/vector-index";
import type {
  CollectionSpec,
  Point,
  PointPayload,
  VectorIndex,
} from "@marquetry/backends/vector-index";
import { Availability } from "@marquetry/contracts/events/product_pb";
import type {
  EmbeddedProduct,
  ProductAttributes,
  ProductEmbedded,
} from "@marquetry/contracts/events/product_pb";
import type { Bundle, EncoderReference } from "@marquetry/model/bundle";
import { fuse, fusedDims, presentModalities } from "@marquetry/model/fusion";
import { vectorFromBytes } from "@marquetry/model/vector";
import type { FusionEvents } from "./events.js";

/** Why an event cannot be used, by its place in the batch. */
export interface Unusable {
  readonly index: number;
  readonly cause: string;
}

export type FuseProducts = (events: readonly ProductEmbedded[]) => Promise<Unusable[]>;

/** Any other value, one that this service does not know yet too, counts as in stock. */
const AVAILABILITY: Partial<Record<Availability, PointPayload["availability"]>> = {
  [Availability.OUT_OF_STOCK]: "out-of-stock",
  [Availability.PREORDER]: "preorder",
};

/** One collection per bundle: vectors of two bundles never meet. */
export function collectionOf(bundle: Bundle): CollectionSpec {
  const modalities = Object.entries(bundle.encoders).map(
    ([modality, { dims }]) => [modality, { size: dims, searchable: false }] as const,
  );
  return {
    name: productCollection(bundle.id),
    vectors: {
      ...Object.fromEntries(modalities),
      [FUSED_VECTOR]: { size: fusedDims(bundle.fusion), searchable: true },
    },
  };
}

/**
 * Writes a batch of embedded products: of each product the highest revision, and that only where it
 * is not below the stored one, so that duplicates, reordering and replays end in the same index. A
 * point is a function of one event alone. A removed product stays as a tombstone.
 */
export function createFuseProducts(parts: {
  readonly bundle: Bundle;
  readonly index: VectorIndex;
  readonly events: FusionEvents;
}): FuseProducts {
  const { bundle, index, events } = parts;
  const collection = productCollection(bundle.id);
  return async (batch) => {
    const unusable: Unusable[] = [];
    const points = new Map<string, Point>();
    batch.forEach((event, at) => {
      const built = toPoint(event, bundle);
      if ("cause" in built) {
        unusable.push({ index: at, cause: built.cause });
        return;
      }
      const rival = points.get(event.productId);
      if (rival === undefined || rival.payload.revision <= built.payload.revision)
        points.set(event.productId, built);
    });
    const stored = await index.retrieve(collection, [...points.keys()], []);
    const current = [...points.values()].filter(
      ({ payload }) => (stored.get(payload.productId)?.payload.revision ?? 0) <= payload.revision,
    );
    await index.upsert(collection, current);
    // Counted once all is written: an attempt that fails comes again.
    for (const { index: at, cause } of unusable)
      events.productUnusable(batch[at]?.productId ?? "", cause);
    const removed = current.filter(({ payload }) => payload.removed).length;
    events.productsWritten(current.length - removed);
    events.productsRemoved(removed);
    events.productsSuperseded(batch.length - unusable.length - current.length);
    return unusable;
  };
}

function toPoint(event: ProductEmbedded, bundle: Bundle): Point | { readonly cause: string } {
  if (event.state.case !== "embedded") return tombstone(event);
  const vectors: Record<string, Float32Array> = {};
  const encoders: Record<string, { encoder: string; digest: string }> = {};
  for (const { modality, encoder, digest, vector } of event.state.value.embeddings) {
    // A modality that the bundle does not use is no mistake; another encoder's vector is.
    if (!Object.hasOwn(bundle.encoders, modality)) continue;
    const expected = bundle.encoders[modality] as EncoderReference;
    if (Object.hasOwn(vectors, modality)) return { cause: `${modality} stands twice` };
    if (encoder !== expected.encoder) {
      return {
        cause: `${modality} is encoded by ${encoder}, bundle ${bundle.id} expects ${expected.encoder}`,
      };
    }
    if (vector.length !== expected.dims * Float32Array.BYTES_PER_ELEMENT) {
      return { cause: `${modality} has ${vector.length} bytes, expected ${expected.dims} float32` };
    }
    const values = vectorFromBytes(vector);
    if (!values.every(Number.isFinite))
      return { cause: `${modality} holds a number that is not finite` };
    vectors[modality] = values;
    encoders[modality] = { encoder, digest };
  }
  const modalities = presentModalities(bundle.fusion, vectors);
  const fused = fuse(bundle.fusion, vectors);
  // A product without any modality is kept: popularity and freshness can still recommend it.
  if (fused !== undefined) vectors[FUSED_VECTOR] = fused;
  return { payload: { ...payloadOf(event, event.state.value), modalities, encoders }, vectors };
}

type PayloadOfEvent = Omit<PointPayload, "modalities" | "encoders">;

function payloadOf(event: ProductEmbedded, { attributes }: EmbeddedProduct): PayloadOfEvent {
  const { title, categories, brand, price, currency, availability, availableFrom, groupId } =
    attributes as ProductAttributes;
  return {
    productId: event.productId,
    revision: Number(event.revision),
    removed: false,
    title,
    categories: withAncestors(categories),
    brand,
    ...(price === undefined ? {} : { price }),
    currency,
    availability: AVAILABILITY[availability] ?? "in-stock",
    availableFromMs: timestampMs(availableFrom ?? (event.occurredAt as Timestamp)),
    groupId: groupId === "" ? event.productId : groupId,
  };
}

function tombstone(event: ProductEmbedded): Point {
  return {
    payload: {
      productId: event.productId,
      revision: Number(event.revision),
      removed: true,
      title: "",
      categories: [],
      brand: "",
      currency: "",
      availability: "out-of-stock",
      availableFromMs: 0,
      groupId: event.productId,
      modalities: [],
      encoders: {},
    },
    vectors: {},
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
