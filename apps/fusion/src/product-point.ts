/** A product's state as a point of the product index, and back. */
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import type { CollectionSpec, Point } from "@marquetry/backends/product-index";
import type { ModalityOutcome } from "@marquetry/backends/product-index/join-state";
import type { Bundle } from "@marquetry/model/bundle";
import { fuse, fusedDims, presentModalities } from "@marquetry/model/fusion";
import type { Outcome, ProductState } from "./product-state.js";

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

/** The state with its fused vector; a removed product stays as a tombstone. */
export function pointOf(state: ProductState, bundle: Bundle, version: number): Point {
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
  // A product without any modality is written: popularity and freshness can still recommend it.
  if (fused !== undefined) vectors[FUSED_VECTOR] = fused;
  const removal = removedRevision === 0 ? {} : { removedRevision };
  return {
    payload: { ...attributes, removed: false, modalities, encoders, version, outcomes, ...removal },
    vectors,
  };
}

/** The state that the point was made from. A point of before 0.2 spoke for every modality. */
export function stateOfPoint(
  { payload, vectors }: Point,
  modalities: readonly string[],
): ProductState {
  const { removed, modalities: _, encoders, version, outcomes, removedRevision, ...rest } = payload;
  const { productId, revision } = payload;
  const known = new Map<string, Outcome>();
  for (const modality of removed ? [] : modalities) {
    const encoder = Object.hasOwn(encoders, modality) ? encoders[modality] : undefined;
    const outcome = outcomes === undefined ? undefined : outcomes[modality];
    const vector = vectors[modality];
    if (outcome !== undefined) known.set(modality, { ...outcome, ...(vector && { vector }) });
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
