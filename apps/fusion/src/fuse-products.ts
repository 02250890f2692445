/** Embedded products in, points of the vector index out. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import type {
  CollectionSpec,
  ModalityOutcome,
  Point,
  PointPayload,
  ProductIndex,
} from "@marquetry/backends/product-index";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { Availability } from "@marquetry/contracts/events/product_pb";
import type {
  EmbeddedProduct,
  ProductAttributes,
  ProductEmbedded,
} from "@marquetry/contracts/events/product_pb";
import type { Bundle, EncoderReference } from "@marquetry/model/bundle";
import { fuse, fusedDims, presentModalities } from "@marquetry/model/fusion";
import { vectorFromBytes } from "@marquetry/model/vectors/vector";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { FusionEvents } from "./events.js";
import { hasVector, join, vectorDigest, versionOf } from "./product-state.js";
import type { Attributes, Outcome, ProductState } from "./product-state.js";

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
 * Takes a batch of events into the index: of each product everything that is known (`ProductState`),
 * joined with what is stored, so that duplicates, reordering, replays and events that speak for some
 * modalities only end in the same index. A removed product stays as a tombstone. A point is written
 * only over the one that it was made from; where another writer was faster, it is made again.
 */
export function createFuseProducts(parts: {
  readonly bundle: Bundle;
  readonly index: ProductIndex;
  readonly events: FusionEvents;
}): FuseProducts {
  const { bundle, index, events } = parts;
  const modalities = Object.keys(bundle.encoders);
  return async (batch) => {
    const unusable: Unusable[] = [];
    const told = new Map<string, ProductState>();
    batch.forEach((event, at) => {
      const state = toState(event, bundle);
      if ("cause" in state) {
        unusable.push({ index: at, cause: state.cause });
        return;
      }
      const before = told.get(event.productId);
      told.set(event.productId, before === undefined ? state : join(before, state, modalities));
    });
    const written = await writeAll(told, bundle, index);
    // Counted once all is written: an attempt that fails comes again.
    for (const { index: at, cause } of unusable)
      events.productUnusable(batch[at]?.productId ?? "", cause);
    const points = [...written.values()];
    const removed = points.filter(({ payload }) => payload.removed).length;
    events.productsWritten(points.length - removed);
    events.productsRemoved(removed);
    events.productsSuperseded(batch.length - unusable.length - points.length);
    return unusable;
  };
}

/** Another writer of the same product exists only while partitions change hands. */
const WRITE_ROUNDS_MAX = 8;

/** @returns the points that were new, by product id */
async function writeAll(
  told: ReadonlyMap<string, ProductState>,
  bundle: Bundle,
  index: ProductIndex,
): Promise<Map<string, Point>> {
  const collection = productCollection(bundle.id);
  const written = new Map<string, Point>();
  let open = [...told.keys()];
  let stored = await index.retrieve(collection, open, []);
  for (let round = 0; open.length > 0; round += 1) {
    if (round === WRITE_ROUNDS_MAX) {
      throw new MarquetryError("unavailable", "other writers of the same products are faster");
    }
    const points = await joinStored(open, { told, stored, bundle, index });
    await index.upsert(collection, points);
    for (const point of points) written.set(point.payload.productId, point);
    stored = await index.retrieve(
      collection,
      points.map(({ payload }) => payload.productId),
      [],
    );
    open = points
      .filter(({ payload }) => stored.get(payload.productId)?.payload.version !== payload.version)
      .map(({ payload }) => payload.productId);
  }
  return written;
}

interface Stored {
  readonly told: ReadonlyMap<string, ProductState>;
  /** Without vectors: most of what is stored is replaced as a whole. */
  readonly stored: ReadonlyMap<string, Point>;
  readonly bundle: Bundle;
  readonly index: ProductIndex;
}

/** The points that tell more than the stored ones. */
async function joinStored(
  productIds: readonly string[],
  { told, stored, bundle, index }: Stored,
): Promise<Point[]> {
  const modalities = Object.keys(bundle.encoders);
  const points: Point[] = [];
  const lacking: string[] = [];
  const add = (productId: string, before: Point | undefined, last: boolean): void => {
    const news = told.get(productId) as ProductState;
    const state = before === undefined ? news : join(news, stateOf(before, modalities), modalities);
    const version = versionOf(state);
    if (before?.payload.version === version) return;
    const whole = [...state.outcomes.values()].every(
      (outcome) => !hasVector(outcome) || outcome.vector !== undefined,
    );
    if (whole || last)
      points.push({
        ...toPoint(state, bundle, version),
        replaces: before?.payload.version ?? 0,
      });
    else lacking.push(productId);
  };
  for (const productId of productIds) add(productId, stored.get(productId), false);
  if (lacking.length > 0) {
    const full = await index.retrieve(productCollection(bundle.id), lacking, modalities);
    for (const productId of lacking) add(productId, full.get(productId), true);
  }
  return points;
}

function toState(
  event: ProductEmbedded,
  bundle: Bundle,
): ProductState | { readonly cause: string } {
  const { productId } = event;
  const revision = Number(event.revision);
  if (event.state.case !== "embedded")
    return { productId, removedRevision: revision, attributes: undefined, outcomes: new Map() };
  const product = event.state.value;
  const spoken = product.modalities.length === 0 ? undefined : new Set(product.modalities);
  const outcomes = new Map<string, Outcome>();
  const failed = new Set(product.failed.map(({ modality }) => modality));
  for (const modality of Object.keys(bundle.encoders)) {
    if (spoken === undefined ? modality === COLLABORATIVE : !spoken.has(modality)) continue;
    outcomes.set(modality, { revision, outcome: failed.has(modality) ? "failed" : "absent" });
  }
  for (const { modality, encoder, digest, vector, imputed } of product.embeddings) {
    // A modality that the bundle does not use is no mistake; another encoder's vector is. Interaction
    // is made anew with each bundle, and the topic keeps that of them all.
    if (!Object.hasOwn(bundle.encoders, modality)) continue;
    const expected = bundle.encoders[modality] as EncoderReference;
    if (modality === COLLABORATIVE && encoder !== expected.encoder) {
      outcomes.delete(modality);
      continue;
    }
    const before = outcomes.get(modality);
    if (before === undefined) return { cause: `${modality} is not one that the event speaks for` };
    if (hasVector(before)) return { cause: `${modality} stands twice` };
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
    const encoded = { encoder, digest, vectorDigest: vectorDigest(vector), vector: values };
    outcomes.set(modality, { revision, outcome: imputed ? "imputed" : "encoded", ...encoded });
  }
  const attributes = attributesOf(event, product);
  return { productId, removedRevision: 0, attributes, outcomes };
}

/** What a stored point says; one of before 0.2 spoke for every modality. */
function stateOf({ payload, vectors }: Point, modalities: readonly string[]): ProductState {
  const { removed, modalities: _, encoders, version, outcomes, removedRevision, ...rest } = payload;
  const { productId, revision } = payload;
  const known = new Map<string, Outcome>();
  for (const modality of removed ? [] : modalities) {
    const encoder = Object.hasOwn(encoders, modality) ? encoders[modality] : undefined;
    const told = outcomes === undefined ? undefined : outcomes[modality];
    const vector = vectors[modality];
    if (told !== undefined) known.set(modality, { ...told, ...(vector && { vector }) });
    else if (version !== undefined) continue;
    else if (encoder === undefined) known.set(modality, { revision, outcome: "absent" });
    else
      known.set(modality, { revision, outcome: "encoded", ...encoder, ...(vector && { vector }) });
  }
  return {
    productId,
    removedRevision: removedRevision ?? (removed ? revision : 0),
    attributes: removed ? undefined : rest,
    outcomes: known,
  };
}

function toPoint(state: ProductState, bundle: Bundle, version: number): Point {
  const { productId, removedRevision, attributes } = state;
  if (attributes === undefined) return tombstone(productId, removedRevision, version);
  const vectors: Record<string, Float32Array> = {};
  const encoders: Record<string, { encoder: string; digest: string }> = {};
  const outcomes: Record<string, ModalityOutcome> = {};
  for (const modality of Object.keys(bundle.encoders)) {
    const known = state.outcomes.get(modality);
    if (known === undefined) continue;
    const { vector, ...outcome } = known;
    outcomes[modality] = outcome;
    if (vector === undefined) continue;
    vectors[modality] = vector;
    encoders[modality] = { encoder: outcome.encoder ?? "", digest: outcome.digest ?? "" };
  }
  const modalities = presentModalities(bundle.fusion, vectors);
  const fused = fuse(bundle.fusion, vectors);
  // A product without any modality is kept: popularity and freshness can still recommend it.
  if (fused !== undefined) vectors[FUSED_VECTOR] = fused;
  const removal = removedRevision === 0 ? {} : { removedRevision };
  return {
    payload: { ...attributes, removed: false, modalities, encoders, version, outcomes, ...removal },
    vectors,
  };
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
    availability: AVAILABILITY[availability] ?? "in-stock",
    availableFromMs: timestampMs(availableFrom ?? (event.occurredAt as Timestamp)),
    groupId: groupId === "" ? event.productId : groupId,
  };
}

function tombstone(productId: string, revision: number, version: number): Point {
  return {
    payload: {
      productId,
      revision,
      removed: true,
      version,
      title: "",
      categories: [],
      brand: "",
      currency: "",
      availability: "out-of-stock",
      availableFromMs: 0,
      groupId: productId,
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
