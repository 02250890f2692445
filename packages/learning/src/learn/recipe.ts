/** What is trained, with all settings: by the kind of data. */
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { productGraph } from "../representation/product-graph.js";
import type { Prepared } from "../representation/prepare.js";
import type { TowerShape } from "../training/parameters.js";
import type { TrainSettings } from "../training/train.js";

interface Recipe {
  readonly settings: Omit<TrainSettings, "seed">;
  readonly dims: number;
  /** Models of different seeds that are joined: each finds its own way through the noise. */
  readonly members: number;
}

/** In order of time: text is strong, and prefixes give many examples. */
const ORDERED: Recipe = {
  settings: {
    examples: { ordered: true, batchRows: 1024 },
    epochs: 9,
    temperature: 0.15,
    rate: 5e-4,
    projectionRate: 5e-4,
    recencyRate: 1e-3,
    dropout: { [COLLABORATIVE]: 0.1 },
    tableScale: 0.1,
    decay: 0.65,
  },
  dims: 256,
  members: 2,
};

/** Sets without order and weak content: the table learns fast and overfits soon. */
const UNORDERED: Recipe = {
  settings: {
    examples: { ordered: false, perUserMax: 20, batchRows: 1024, drawn: 2_000 },
    epochs: 4,
    temperature: 0.15,
    rate: 3e-3,
    projectionRate: 1e-3,
    recencyRate: 0,
    dropout: { [COLLABORATIVE]: 0.3 },
    tableScale: 1,
    decay: 1,
  },
  dims: 192,
  members: 4,
};

/** Neighbours, and theirs. */
const NEIGHBOURS = { share: 0.7, layers: 2 } as const;

export function recipeOf({ dataset }: Prepared): Recipe {
  return dataset.ordered ? ORDERED : UNORDERED;
}

/** Neighbours where content is weak and histories are sets; they were not tried elsewhere. */
export function shapeOf(
  { dataset, content, counts }: Prepared,
  { dims }: Pick<Recipe, "dims">,
): TowerShape {
  const items = dataset.itemIds.length;
  const known = Uint8Array.from(counts, (count) => (count > 0 ? 1 : 0));
  const shape = { items, dims, content, known, scorer: "linear" } as const;
  if (dataset.ordered) return shape;
  const neighbours = productGraph(dataset.splits.train, items, content);
  return { ...shape, graph: { neighbours, ...NEIGHBOURS } };
}
