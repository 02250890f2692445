/** Fusion by one model of one seed. */
import { ZERO_SHOT_ACTIONS } from "@marquetry/model/bundle/zero-shot";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { POSITIVE_ACTIONS } from "../dataset/actions.js";
import type { Prepared } from "../representation/prepare.js";
import type { AlignmentSettings } from "../training/alignment-loss.js";
import type { Parameters, TowerShape } from "../training/parameters.js";
import type { ScorerKind } from "../training/scorer.js";
import type { LearnOptions } from "./learn-options.js";
import { recipeOf, shapeOf } from "./recipe.js";
import { bestEpoch, trainingRun } from "./training-run.js";

/** Of the content term of the interests. */
const KEY_DIMS = 16;

/** What actions count before anything is learned. */
const BIASES = Float32Array.from(POSITIVE_ACTIONS, (action) => ZERO_SHOT_ACTIONS[action].bias);

interface FusionOptions extends LearnOptions {
  /** `fixed`: every modality counts the same, as far as it is present. */
  readonly weights: "attention" | "fixed";
  /** Of the attention. Default: linear. */
  readonly scorer?: ScorerKind;
  /** Whether users and candidates go through a tower each. Default: false. */
  readonly towers?: boolean;
  /** Cross-modal alignment beside the in-batch softmax. Default: none. */
  readonly alignment?: AlignmentSettings;
  /** Whether interactions are weighed by product and action too, beside recency. Default: false. */
  readonly interests?: boolean;
  /** By modality, the chance that a product lacks it in a step. Default: that of the recipe. */
  readonly dropout?: Readonly<Record<string, number>>;
}

/** One training run at its best epoch. */
export interface LearnedFusion {
  readonly shape: TowerShape;
  readonly parameters: Parameters;
  /** With every modality that each product has; rows of length 1. */
  readonly vectors: Matrix;
}

/** Without neighbours: every product by its own modalities. */
export function learnFusion(prepared: Prepared, options: FusionOptions): LearnedFusion {
  const recipe = recipeOf(prepared);
  const { scorer = "linear", towers = false, interests = false } = options;
  const { alignment, weights, seed } = options;
  const { graph: _, ...plain } = { ...shapeOf(prepared, recipe), scorer, towers };
  const shape = interests ? { ...plain, interests: { keyDims: KEY_DIMS, biases: BIASES } } : plain;
  const settings = {
    ...recipe.settings,
    dropout: options.dropout ?? recipe.settings.dropout,
    fixedWeights: weights === "fixed",
    ...(alignment && { alignment }),
    seed,
  };
  const run = trainingRun(prepared, shape, settings, options.checkpoints);
  return { shape, ...bestEpoch(run, options.report) };
}
