/** The sequence model, on learned vectors with item-identity codes. */
import type { Prepared } from "../representation/prepare.js";
import { choose } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import { HISTORY_POLICIES } from "../scoring/history-policies.js";
import { popularityPrior } from "../scoring/pooled.js";
import { sequenceScorer } from "../scoring/sequence-scorer.js";
import type { SequenceModel } from "../sequence/interests.js";
import { identityGain } from "../sequence/identity.js";
import { nameOf } from "../sequence/parameters.js";
import type { SequenceShape } from "../sequence/parameters.js";
import { VECTORS } from "../sequence/step.js";
import { trainSequence } from "../sequence/train-sequence.js";
import type { SequenceTrainSettings } from "../sequence/train-sequence.js";
import { bestEpochOf } from "../training/best-epoch.js";
import { FIXED_POPULARITY, SUPPRESSIONS } from "./learn-identity.js";
import type { IdentityInterests } from "./learn-identity.js";
import type { LearnOptions } from "./learn-options.js";
import { checkpointOf, digestOf } from "./training-run.js";

const HISTORY_MAX = 30;
const HEADS = 4;
/** Widens the feed-forward layer, as transformers do; twice, for there is little data. */
const HIDDEN_PER_DIM = 2;
const TRAINING: Omit<SequenceTrainSettings, "seed"> = {
  epochs: 3,
  batchRows: 1024,
  temperature: 0.15,
  ownHistory: "negatives",
  rate: 1e-4,
  // The vectors know the training histories too well already.
  vectorRate: 0,
  dropout: 0.1,
};

/**
 * The transformer, starting from the interests with a reversed code. Its epoch and then the strength
 * of its repeat suppression are those with the best validation NDCG, without a mask.
 */
export function learnSequence(
  prepared: Prepared,
  interests: IdentityInterests,
  { seed, report, checkpoints }: LearnOptions,
): SequenceModel {
  const { dataset } = prepared;
  const { vectors, identity } = interests;
  const { suppression, ...code } = identity;
  const shape = shapeOf(interests);
  const settings = { ...TRAINING, seed };
  const best = bestEpochOf({
    name: `${dataset.name}, sequence, seed ${seed}`,
    epochs: settings.epochs,
    train: (state) => trainSequence(shape, vectors, dataset.splits.train, settings, state),
    validNdcg: (epoch) => {
      const model = { shape, parameters: epoch.state.parameters, vectors: epoch.vectors };
      return chooseModel(prepared, [model]).validNdcg;
    },
    checkpoint: checkpointOf(checkpoints, `sequence-${seed}`, {
      settings,
      // The name that earlier checkpoints have for it.
      shape: { ...shape, identity: { ...code, push: suppression } },
      vectors: digestOf(vectors.data),
    }),
    report,
  });
  const { [VECTORS]: _, ...parameters } = best.parameters;
  const model = { shape, parameters, vectors: best.vectors };
  const suppressions = SUPPRESSIONS.filter((each) => each >= interests.identity.suppression);
  return chooseModel(
    prepared,
    suppressions.map((each) => withSuppression(model, each)),
  ).settings;
}

export function sequenceRanking(
  { counts }: Prepared,
  model: SequenceModel,
  popularity: number,
): ScorerFor {
  const prior = popularityPrior(counts, popularity);
  return (histories) => sequenceScorer(model, histories, prior);
}

function shapeOf({ vectors, identity, decay }: IdentityInterests): SequenceShape {
  return {
    dims: vectors.cols,
    heads: vectors.cols % HEADS === 0 ? HEADS : 1,
    hidden: HIDDEN_PER_DIM * vectors.cols,
    historyMax: HISTORY_MAX,
    decay,
    identity,
  };
}

function chooseModel(prepared: Prepared, models: readonly SequenceModel[]) {
  const { dataset, counts } = prepared;
  const ranking = (model: SequenceModel) => sequenceRanking(prepared, model, FIXED_POPULARITY);
  return choose(dataset, counts, models, ranking, HISTORY_POLICIES.unmasked);
}

function withSuppression(
  { shape, parameters, vectors }: SequenceModel,
  suppression: number,
): SequenceModel {
  const identity = { ...shape.identity!, suppression };
  return {
    shape: { ...shape, identity },
    parameters: { ...parameters, [nameOf.gain]: identityGain(shape.dims, identity) },
    vectors,
  };
}
