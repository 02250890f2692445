/** Joins new states of products with what the index stores, and writes what differs. */
import { productCollection } from "@marquetry/backends/product-index";
import type { Point, ProductIndex } from "@marquetry/backends/product-index";
import type { Bundle } from "@marquetry/model/bundle";
import { MarquetryError } from "@marquetry/runtime/errors";
import { pointOf, stateOfPoint } from "./product-point.js";
import { hasVector, join, versionOf } from "./product-state.js";
import type { ProductState } from "./product-state.js";

/** Another writer of the same product exists only while partitions change hands. */
const WRITE_ROUNDS_MAX = 8;

export interface WriteDeps {
  readonly bundle: Bundle;
  readonly index: ProductIndex;
}

/** By product id. */
type States = ReadonlyMap<string, ProductState>;
type Points = ReadonlyMap<string, Point>;

/**
 * A point is written only over the one that it was made from. Where another writer was faster, the
 * point is made again.
 * @returns the points that were new, by product id
 * @throws MarquetryError `unavailable` where other writers are faster in every round
 */
export async function writeProducts(states: States, deps: WriteDeps): Promise<Points> {
  const { bundle, index } = deps;
  const collection = productCollection(bundle.id);
  const written = new Map<string, Point>();
  let unwritten = [...states.keys()];
  // Without vectors: most of what is stored is replaced as a whole.
  let stored = await index.retrieve(collection, unwritten, []);
  for (let round = 0; unwritten.length > 0; round += 1) {
    if (round === WRITE_ROUNDS_MAX) {
      throw new MarquetryError("unavailable", "other writers of the same products are faster");
    }
    const points = await changedPoints(unwritten, states, stored, deps);
    await index.upsert(collection, points);
    for (const point of points) written.set(point.payload.productId, point);
    stored = await index.retrieve(
      collection,
      points.map(({ payload }) => payload.productId),
      [],
    );
    unwritten = points
      .filter(({ payload }) => stored.get(payload.productId)?.payload.version !== payload.version)
      .map(({ payload }) => payload.productId);
  }
  return written;
}

/** The points that hold more than the stored ones. */
async function changedPoints(
  productIds: readonly string[],
  states: States,
  stored: Points,
  { bundle, index }: WriteDeps,
): Promise<Point[]> {
  const modalities = Object.keys(bundle.encoders);
  const points: Point[] = [];
  const withoutVectors: string[] = [];
  const add = (productId: string, before: Point | undefined, last: boolean): void => {
    const news = states.get(productId) as ProductState;
    const state =
      before === undefined ? news : join(news, stateOfPoint(before, modalities), modalities);
    const version = versionOf(state);
    if (before?.payload.version === version) return;
    const replaces = before?.payload.version ?? 0;
    if (last || isComplete(state)) points.push({ ...pointOf(state, bundle, version), replaces });
    else withoutVectors.push(productId);
  };
  for (const productId of productIds) add(productId, stored.get(productId), false);
  if (withoutVectors.length > 0) {
    const full = await index.retrieve(productCollection(bundle.id), withoutVectors, modalities);
    for (const productId of withoutVectors) add(productId, full.get(productId), true);
  }
  return points;
}

/** Whether every vector of the state has been read. */
function isComplete({ outcomes }: ProductState): boolean {
  return [...outcomes.values()].every(
    (outcome) => !hasVector(outcome) || outcome.vector !== undefined,
  );
}
