/** The recipe: from prepared data to one vector per product. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { ZERO_SHOT_ACTIONS } from "@marquetry/model/bundle/zero-shot";
import { POSITIVE_ACTIONS } from "../dataset/actions.js";
import { matmul } from "../linear-algebra/gemm.js";
import { besideRows, normaliseRows } from "../linear-algebra/rows.js";
import { principalDirections } from "../linear-algebra/whitening.js";
import { productGraph } from "../representation/product-graph.js";
import { collaborativeRows } from "../representation/collaborative.js";
import type { AlignmentSettings } from "../training/alignment-loss.js";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import type { Parameters, TowerShape } from "../training/parameters.js";
import type { ScorerKind } from "../training/scorer.js";
import type { CheckpointPlace } from "../training/checkpoint.js";
import type { TrainSettings } from "../training/train.js";
import { learnInThreads } from "./learn-in-threads.js";
import type { Prepared } from "../representation/prepare.js";
import { bestEpoch, trainingRun } from "./training-run.js";

const BEHAVIOUR_RANK = 160;
const SVD_SEED = 1;

/** In order of time: text is strong, and prefixes give many examples. */
const ORDERED: Omit<TrainSettings, "seed"> = {
  examples: { ordered: true, batchRows: 1024 },
  epochs: 9,
  temperature: 0.15,
  rate: 5e-4,
  projectionRate: 5e-4,
  recencyRate: 1e-3,
  dropout: { [COLLABORATIVE]: 0.1 },
  tableScale: 0.1,
  decay: 0.65,
};
const ORDERED_DIMS = 256;

/** Sets without order and weak content: the table learns fast and overfits soon. */
const UNORDERED: Omit<TrainSettings, "seed"> = {
  examples: { ordered: false, perUserMax: 20, batchRows: 1024, drawn: 2_000 },
  epochs: 4,
  temperature: 0.15,
  rate: 3e-3,
  projectionRate: 1e-3,
  recencyRate: 0,
  dropout: { [COLLABORATIVE]: 0.3 },
  tableScale: 1,
  decay: 1,
};
const UNORDERED_DIMS = 192;
/** Neighbours, and theirs. */
const NEIGHBOURS = { share: 0.7, layers: 2 } as const;

/** Models of different seeds that are put together: each finds its own way through the noise. */
const MEMBERS = { ordered: 2, unordered: 4 } as const;
const SERVED_DIMS = 256;

export interface LearnOptions {
  readonly seed: number;
  readonly report: (line: string) => void;
  /** None is kept unless given. */
  readonly checkpoints?: CheckpointPlace;
}

/**
 * Fusion learned with a free table, by several seeds, beside one another; ordered data, whose content
 * is strong, also with A = [content; behaviour in closed form]. Then the widest directions of all.
 * Each member is learned in a thread, up to its epoch with the best validation NDCG.
 * @returns one row of length 1 per product
 */
export async function learnVectors(prepared: Prepared, options: LearnOptions): Promise<Matrix> {
  const { ordered } = prepared.dataset;
  const [settings, dims, members] = ordered
    ? [ORDERED, ORDERED_DIMS, MEMBERS.ordered]
    : [UNORDERED, UNORDERED_DIMS, MEMBERS.unordered];
  const shape = shapeOf(prepared, dims);
  const runs = Array.from({ length: members }, (_, member) =>
    trainingRun(
      prepared,
      shape,
      { ...settings, seed: 100 * options.seed + member },
      options.checkpoints,
    ),
  );
  const learned = await learnInThreads(runs, options.report);
  const parts = ordered ? [closedForm(prepared), ...learned] : learned;
  const together = besideRows(...parts);
  const directions = principalDirections(together, SERVED_DIMS);
  return normaliseRows(matmul(together, directions, { transposeB: true }));
}

/** Of the content term of the interests. */
const KEY_DIMS = 16;

/** What actions count before anything is learned. */
const BIASES = Float32Array.from(POSITIVE_ACTIONS, (action) => ZERO_SHOT_ACTIONS[action].bias);

export interface FusionOptions extends LearnOptions {
  /** `fixed`: every modality counts the same, as far as it is present. */
  readonly weights: "attention" | "fixed";
  /** Of the attention; linear unless given. */
  readonly scorer?: ScorerKind;
  /** Whether users and candidates go through a tower each; none unless given. */
  readonly towers?: boolean;
  /** Cross-modal alignment beside the in-batch softmax; none unless given. */
  readonly alignment?: AlignmentSettings;
  /** Whether behaviours are weighed by what and of which action they are, beside recency; not
   * unless given. */
  readonly interests?: boolean;
  /** By modality, the chance that a product lacks it in a step. */
  readonly dropout?: Readonly<Record<string, number>>;
}

/** One training run at its best epoch. */
export interface LearnedFusion {
  readonly shape: TowerShape;
  readonly parameters: Parameters;
  /** With every modality that each product has; rows of length 1. */
  readonly vectors: Matrix;
}

/** Fusion by one model of one seed, without neighbours: every product by its own modalities. */
export function learnFusion(prepared: Prepared, options: FusionOptions): LearnedFusion {
  const { ordered } = prepared.dataset;
  const [settings, dims] = ordered ? [ORDERED, ORDERED_DIMS] : [UNORDERED, UNORDERED_DIMS];
  const { scorer = "linear", towers = false, interests = false } = options;
  const { alignment, weights, seed } = options;
  const { graph: _, ...plain } = { ...shapeOf(prepared, dims), scorer, towers };
  const shape = interests ? { ...plain, interests: { keyDims: KEY_DIMS, biases: BIASES } } : plain;
  const own = {
    dropout: options.dropout ?? settings.dropout,
    fixedWeights: weights === "fixed",
    ...(alignment && { alignment }),
  };
  const run = trainingRun(prepared, shape, { ...settings, ...own, seed }, options.checkpoints);
  return { shape, ...bestEpoch(run, options.report) };
}

/** A: content and behaviour beside one another, no training. */
export function closedForm({ dataset, content }: Prepared): Matrix {
  const behaviour = behaviourOf(dataset.splits.train, dataset.itemIds.length);
  return normaliseRows(besideRows(...Object.values(content), behaviour));
}

export function behaviourOf(train: readonly Int32Array[], items: number): Matrix {
  return collaborativeRows(train, items, BEHAVIOUR_RANK, SVD_SEED);
}

/** Neighbours where content is weak and histories are sets; they were not tried elsewhere. */
function shapeOf({ dataset, content, counts }: Prepared, dims: number): TowerShape {
  const items = dataset.itemIds.length;
  const known = Uint8Array.from(counts, (count) => (count > 0 ? 1 : 0));
  const shape = { items, dims, content, known, scorer: "linear" } as const;
  if (dataset.ordered) return shape;
  const neighbours = productGraph(dataset.splits.train, items, content);
  return { ...shape, graph: { neighbours, ...NEIGHBOURS } };
}
