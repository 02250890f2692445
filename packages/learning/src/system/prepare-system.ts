/** Everything that learning starts from, from the running system rather than from a folder. */
import type { EventBus } from "@marquetry/backends/event-bus";
import type { Point, ProductIndex } from "@marquetry/backends/product-index";
import type { Bundle } from "@marquetry/model/bundle";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { Interaction } from "../dataset/make-splits.js";
import { makeSplits } from "../dataset/make-splits.js";
import { rowOf } from "../linear-algebra/rows.js";
import { preparedOf, TEXT_DIRECTIONS } from "../representation/prepare.js";
import type { Prepared } from "../representation/prepare.js";
import { cataloguePages } from "./catalogue-pages.js";
import { POSITIVE_ACTIONS } from "../dataset/actions.js";
import { readClicks } from "./read-clicks.js";
import type { Click } from "./read-clicks.js";

interface SystemDeps {
  readonly bus: EventBus;
  readonly index: ProductIndex;
  /** What fusion runs with: its collection is the catalogue, its encoders made the vectors. */
  readonly bundle: Bundle;
  /** Prefix of the new bundle's id. */
  readonly name: string;
  readonly report: (line: string) => void;
}

const PAGE_POINTS = 256;

/**
 * Products and their content's vectors from the index, histories from the clickstream. The last
 * product of each user is the test, the last but one the validation. A product several times in a
 * row counts once, by the strongest action: else the best guess of the next would be the last.
 * Products that the catalogue lacks, dismissals and returns are ignored.
 * @throws MarquetryError `invalid` where there is too little to learn from; as the ports
 */
export async function prepareSystem(deps: SystemDeps): Promise<Prepared> {
  const { bundle, name, report } = deps;
  const { itemIds, features, availableFromMs } = await readCatalogue(deps);
  report(`${itemIds.length} products, ${Object.keys(features).join(", ")}`);
  const { byUser, unusable } = await readClicks(deps.bus);
  const itemOf = new Map(itemIds.map((id, item) => [id, item]));
  const events = [...byUser.values()]
    .map((clicks) => withoutRepeats(toEvents(clicks, itemOf)))
    .filter((list) => list.length > 0);
  const interactions = events.reduce((sum, { length }) => sum + length, 0);
  report(`${events.length} users, ${interactions} interactions, ${unusable} unusable records`);
  const { splits, actions, evaluatedAt } = makeSplits(events, { kind: "leave-one-out" });
  const evaluated = splits.test.filter((list) => list.length > 0).length;
  if (evaluated < 2) {
    const message =
      "clickstream: expected at least two users with three or more products of the catalogue, " +
      `got ${evaluated} of ${byUser.size} users`;
    throw new MarquetryError("invalid", message);
  }
  const modalities = Object.entries(features).map(([modality, vectors]) => {
    const { encoder } = bundle.encoders[modality]!;
    // Of encoded content, as of texts in a dataset.
    return [modality, { encoder, vectors, directions: TEXT_DIRECTIONS }] as const;
  });
  const dataset = {
    name,
    itemIds,
    ordered: true,
    splits,
    actions: { names: POSITIVE_ACTIONS, ...actions },
    dates: { availableFromMs, evaluatedAtMs: evaluatedAt },
    features: {},
    texts: {},
  };
  return preparedOf(dataset, new Map(modalities));
}

interface Catalogue {
  /** In ascending order, so that equal catalogues give equal bundles. */
  readonly itemIds: readonly string[];
  /** By modality that some product has, one row per product; zero where it lacks it. */
  readonly features: Readonly<Record<string, Matrix>>;
  /** By product. */
  readonly availableFromMs: Float64Array;
}

interface CatalogueEntry {
  readonly id: string;
  readonly availableFromMs: number;
}

async function readCatalogue({ bundle, index }: SystemDeps): Promise<Catalogue> {
  const found: (Pick<Point, "vectors"> & CatalogueEntry)[] = [];
  for await (const points of cataloguePages(index, bundle, PAGE_POINTS)) {
    for (const { payload, vectors } of points) {
      found.push({ id: payload.productId, availableFromMs: payload.availableFromMs, vectors });
    }
  }
  found.sort((a, b) => (a.id < b.id ? -1 : 1));
  const features: Record<string, Matrix> = {};
  for (const modality of Object.keys(bundle.encoders)) {
    if (!found.some(({ vectors }) => vectors[modality])) continue;
    const rows = matrix(found.length, bundle.encoders[modality]!.dims);
    for (const [item, { vectors }] of found.entries()) {
      rowOf(rows, item).set(vectors[modality] ?? []);
    }
    features[modality] = rows;
  }
  if (Object.keys(features).length === 0) {
    const message = `collection of bundle ${bundle.id}: expected products with vectors`;
    throw new MarquetryError("invalid", message);
  }
  return {
    itemIds: found.map(({ id }) => id),
    features,
    availableFromMs: Float64Array.from(found, (product) => product.availableFromMs),
  };
}

function toEvents(clicks: readonly Click[], itemOf: ReadonlyMap<string, number>): Interaction[] {
  return clicks.flatMap(({ productId, action, occurredAtMs }) => {
    const item = itemOf.get(productId);
    return item === undefined
      ? []
      : [{ item, action: POSITIVE_ACTIONS.indexOf(action), at: occurredAtMs }];
  });
}

function withoutRepeats(events: readonly Interaction[]): Interaction[] {
  const distinct: Interaction[] = [];
  for (const event of events) {
    const last = distinct.at(-1);
    if (last?.item !== event.item) distinct.push(event);
    else if (event.action > last.action) distinct[distinct.length - 1] = event;
  }
  return distinct;
}
