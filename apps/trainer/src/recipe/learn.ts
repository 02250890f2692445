/** The recipe: from prepared data to one vector per product. */
import { createHash } from "node:crypto";
import { matrix } from "@marquetry/model/matrix";
import type { Matrix } from "@marquetry/model/matrix";
import { ZERO_SHOT_ACTIONS } from "@marquetry/model/zero-shot";
import { pooledInterests } from "../bundle/served-interests.js";
import type { InterestAttention } from "../bundle/served-interests.js";
import { POSITIVE_ACTIONS } from "../dataset/actions.js";
import { questionOf } from "../dataset/dataset.js";
import { choose } from "../evaluation/choose.js";
import type { Chosen, ScorerFor } from "../evaluation/choose.js";
import { addPrior, pooledScorer, popularityPrior } from "../evaluation/pooled.js";
import type { RankingRules, Scorer } from "../evaluation/top-lists.js";
import { product } from "../linear-algebra/gemm.js";
import { besideRows, normaliseRows } from "../linear-algebra/rows.js";
import { principalDirections } from "../linear-algebra/whitening.js";
import { productGraph } from "../representation/product-graph.js";
import { behaviourRows } from "../representation/behaviour.js";
import type { AlignmentSettings } from "../training/alignment-loss.js";
import type { Towers } from "../training/in-batch-loss.js";
import { BEHAVIOUR, interestWeightsOf, towersOf } from "../training/parameters.js";
import type { Parameters, TowerShape } from "../training/parameters.js";
import type { ScorerKind } from "../training/scorer.js";
import type { BestEpoch, Checkpoint } from "../training/checkpoint.js";
import { trainEpochs } from "../training/train.js";
import type { TrainSettings } from "../training/train.js";
import { bestEpochOf } from "./best-epoch.js";
import type { Prepared } from "./prepare.js";

/** Weights of the pooled ranking. */
export interface RankingSettings {
  /** Per newer behaviour. */
  readonly decay: number;
  /** beta: score = u'v + beta log(1 + count). */
  readonly popularity: number;
}

const DECAYS = [0.5, 0.6, 0.7];
const POPULARITY = [0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15];
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
  dropout: { [BEHAVIOUR]: 0.1 },
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
  dropout: { [BEHAVIOUR]: 0.3 },
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
  /** Opens the checkpoint of one training run; `settings` are what it must agree in, besides data. */
  readonly checkpoints?: (name: string, settings: object) => Checkpoint;
}

/**
 * Fusion learned with a free table, by several seeds, beside one another; ordered data, whose content
 * is strong, also with A = [content; behaviour in closed form]. Then the widest directions of all.
 * Each member's epoch is the one with the best validation NDCG.
 * @returns one row of length 1 per product
 */
export function learnVectors(prepared: Prepared, options: LearnOptions): Matrix {
  const { ordered } = prepared.dataset;
  const [settings, dims, members] = ordered
    ? [ORDERED, ORDERED_DIMS, MEMBERS.ordered]
    : [UNORDERED, UNORDERED_DIMS, MEMBERS.unordered];
  const shape = shapeOf(prepared, dims);
  const learned = Array.from(
    { length: members },
    (_, member) =>
      bestEpoch(prepared, shape, { ...settings, seed: 100 * options.seed + member }, options)
        .vectors,
  );
  const parts = ordered ? [closedForm(prepared), ...learned] : learned;
  const together = besideRows(...parts);
  const directions = principalDirections(together, SERVED_DIMS);
  return normaliseRows(product(together, directions, { transposeB: true }));
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
  return { shape, ...bestEpoch(prepared, shape, { ...settings, ...own, seed }, options) };
}

/** A: content and behaviour beside one another, no training. */
export function closedForm({ dataset, content }: Prepared): Matrix {
  const behaviour = behaviourOf(dataset.splits.train, dataset.itemIds.length);
  return normaliseRows(besideRows(...Object.values(content), behaviour));
}

export function behaviourOf(train: readonly Int32Array[], items: number): Matrix {
  return behaviourRows(train, items, BEHAVIOUR_RANK, SVD_SEED);
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

function bestEpoch(
  prepared: Prepared,
  shape: TowerShape,
  settings: TrainSettings,
  { report, checkpoints }: LearnOptions,
): BestEpoch {
  const { dataset, counts } = prepared;
  // Nothing else learns from them.
  const actions = shape.interests && questionOf(dataset, "valid").actions;
  const ranking = { decay: dataset.ordered ? 0.6 : 1, popularity: 0.02 };
  return bestEpochOf({
    name: `${dataset.name}, seed ${settings.seed}`,
    epochs: settings.epochs,
    train: (state) => trainEpochs(shape, dataset.splits.train, settings, { actions, state }),
    validNdcg: ({ vectors, state }) => {
      const ranked = rankingOf(prepared, vectors, usersOf(shape, state.parameters));
      return choose(dataset, counts, [ranking], ranked, { masked: true }).validNdcg;
    },
    detail: ({ decay }) => `decay ${decay.toFixed(3)}`,
    checkpoint: checkpoints?.(`seed-${settings.seed}`, { settings, ...describedShape(shape) }),
    report,
  });
}

/** What a checkpoint must agree in: another encoder's content may well have the same shape. */
function describedShape({ items, dims, scorer, towers, interests, graph, content }: TowerShape) {
  const modalities = Object.entries(content).map(([name, { cols, data }]) => {
    return [name, cols, digestOf(data)];
  });
  const neighbours = graph && { share: graph.share, layers: graph.layers };
  return { items, dims, scorer, towers, interests, neighbours, modalities };
}

export function digestOf(data: Float32Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** What was learned about users, beside the products' vectors. */
export interface LearnedUsers {
  readonly towers?: Towers;
  readonly interests?: InterestAttention;
}

export function usersOf(shape: TowerShape, parameters: Parameters): LearnedUsers {
  const towers = towersOf(shape, parameters);
  const { content, biases } = interestWeightsOf(shape, parameters);
  return {
    ...(towers && { towers }),
    ...(content && biases && { interests: { ...content, biases } }),
  };
}

/** A scorer by the pooled vectors for any settings and histories. */
export function rankingOf(
  { counts }: Prepared,
  vectors: Matrix,
  { towers, interests: attention }: LearnedUsers = {},
) {
  const interests = attention && pooledInterests(vectors, attention);
  return ({ decay, popularity }: RankingSettings): ScorerFor =>
    (histories, actions) =>
      pooledScorer({
        vectors,
        histories,
        actions,
        decay,
        prior: popularityPrior(counts, popularity),
        towers,
        interests,
      });
}

/** Decay first unless it is given, then popularity, both by the validation NDCG. */
export function chooseRanking(
  prepared: Prepared,
  vectors: Matrix,
  rules: RankingRules,
  given?: number,
  users?: LearnedUsers,
): RankingSettings {
  return chooseRankingBy(prepared, rankingOf(prepared, vectors, users), rules, given).settings;
}

/** As `chooseRanking`, of whatever ranks by such settings, with what they come to. */
export function chooseRankingBy(
  { dataset, counts }: Prepared,
  ranked: (settings: RankingSettings) => ScorerFor,
  rules: RankingRules,
  given?: number,
): Chosen<RankingSettings> {
  const fixed = given ?? (dataset.ordered ? undefined : 1);
  const decay =
    fixed ??
    choose(
      dataset,
      counts,
      DECAYS.map((each) => ({ decay: each, popularity: 0.04 })),
      ranked,
      rules,
    ).settings.decay;
  const { histories, actions: known } = questionOf(dataset, "valid");
  const similarity = remembered(ranked({ decay, popularity: 0 })(histories, known));
  return choose(
    dataset,
    counts,
    POPULARITY.map((popularity) => ({ decay, popularity })),
    ({ popularity }) =>
      () =>
      (users) =>
        addPrior(similarity(users), popularityPrior(counts, popularity)),
    rules,
  );
}

/** The scorer, computed once for each block of users; for few calls over the same blocks. */
function remembered(scorer: Scorer): Scorer {
  const blocks = new Map<number, Matrix>();
  return (users) => {
    const first = users[0]!;
    const block = blocks.get(first) ?? scorer(users);
    blocks.set(first, block);
    return matrix(block.rows, block.cols, block.data.slice());
  };
}
