/** Interests beyond recency, on learned vectors: the reversed item-identity code, and the sequence model. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { recencyInterests, sequenceInterests } from "../scoring/served-interests.js";
import type { ServedInterests } from "../scoring/served-interests.js";
import { choose } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import { pooledScorer, popularityPrior } from "../scoring/pooled.js";
import type { HistoryPolicy } from "../scoring/top-lists.js";
import { identityGain, withIdentity } from "../sequence/identity.js";
import type { IdentityCode } from "../sequence/identity.js";
import { nameOf } from "../sequence/parameters.js";
import type { SequenceShape } from "../sequence/parameters.js";
import { sequenceScorer } from "../scoring/sequence-scorer.js";
import type { SequenceModel } from "../sequence/interests.js";
import { trainSequence, VECTORS } from "../sequence/train-sequence.js";
import type { SequenceTrainSettings } from "../sequence/train-sequence.js";
import { bestEpochOf } from "../training/best-epoch.js";
import { checkpointOf, digestOf } from "./training-run.js";
import type { LearnOptions } from "./learn.js";
import type { RankingSettings } from "../scoring/ranking.js";
import type { Prepared } from "../representation/prepare.js";

/** A quarter of the dimensions and of the squared length for the code. */
const CODE = { share: 1 / 4, length: 0.5 } as const;
const SUPPRESSIONS = [0.7, 1, 1.3, 1.6, 2, 2.6];
const POPULARITY = [0, 0.01, 0.02, 0.04, 0.07];
const DECAY = 0.6;
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
/** As published tables rank; also what the code is for. */
const UNMASKED: HistoryPolicy = { masked: false };

export interface IdentityInterests {
  /** One row of length 1 per product, with its code. */
  readonly vectors: Matrix;
  readonly identity: IdentityCode;
  readonly decay: number;
}

export interface IdentityRanking {
  readonly suppression: number;
  readonly popularity: number;
}

/** Recency pooling of vectors with an item-identity code, reversed by as much as is best on the
 * validation part. */
export function learnIdentity(prepared: Prepared, learned: Matrix): IdentityInterests {
  const room = { dims: Math.floor(learned.cols * CODE.share), length: CODE.length };
  const vectors = withIdentity(learned, room);
  const rankings = SUPPRESSIONS.map((suppression) => ({ suppression, popularity: 0.02 }));
  const interests = { vectors, decay: DECAY, identity: { ...room, suppression: 0 } };
  const { settings } = choose(
    prepared.dataset,
    prepared.counts,
    rankings,
    ({ suppression, popularity }) =>
      identityRanking(prepared, { ...interests, identity: { ...room, suppression } }, popularity),
    UNMASKED,
  );
  return { ...interests, identity: { ...room, suppression: settings.suppression } };
}

export function identityRanking(
  { counts }: Prepared,
  { vectors, identity, decay }: IdentityInterests,
  popularity: number,
): ScorerFor {
  const gain = identityGain(vectors.cols, identity);
  const prior = popularityPrior(counts, popularity);
  return (histories) => pooledScorer({ vectors, histories, decay, prior, gain });
}

/**
 * The transformer, starting from the interests with a reversed code; its epoch, and then its repeat
 * suppression, are those with the best validation NDCG.
 */
export function learnSequence(
  prepared: Prepared,
  { vectors, identity, decay }: IdentityInterests,
  { seed, report, checkpoints }: LearnOptions,
): SequenceModel {
  const { dataset, counts } = prepared;
  const shape: SequenceShape = {
    dims: vectors.cols,
    heads: vectors.cols % HEADS === 0 ? HEADS : 1,
    hidden: HIDDEN_PER_DIM * vectors.cols,
    historyMax: HISTORY_MAX,
    decay,
    identity,
  };
  const settings = { ...TRAINING, seed };
  const { suppression, ...room } = identity;
  const best = bestEpochOf({
    name: `${dataset.name}, sequence, seed ${seed}`,
    epochs: settings.epochs,
    train: (state) => trainSequence(shape, vectors, dataset.splits.train, settings, state),
    validNdcg: (epoch) => {
      const model = { shape, parameters: epoch.state.parameters, vectors: epoch.vectors };
      const ranked = (popularity: number) => sequenceRanking(prepared, model, popularity);
      return choose(dataset, counts, [0.02], ranked, UNMASKED).validNdcg;
    },
    checkpoint: checkpointOf(checkpoints, `sequence-${seed}`, {
      settings,
      // The name that earlier checkpoints have for it.
      shape: { ...shape, identity: { ...room, push: suppression } },
      vectors: digestOf(vectors.data),
    }),
    report,
  });
  const { [VECTORS]: _, ...parameters } = best.parameters;
  const model = { shape, parameters, vectors: best.vectors };
  const suppressed = SUPPRESSIONS.filter((suppression) => suppression >= identity.suppression).map(
    (suppression) => withSuppression(model, suppression),
  );
  return choose(
    dataset,
    counts,
    suppressed,
    (each) => sequenceRanking(prepared, each, 0.02),
    UNMASKED,
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

export const INTEREST_KINDS = ["own-code", "sequence"] as const;
export type InterestKind = (typeof INTEREST_KINDS)[number];

export interface LearnedInterests {
  /** One row of length 1 per product. */
  readonly vectors: Matrix;
  readonly ranking: RankingSettings;
  readonly pooling: ServedInterests;
}

/** On learned vectors of ordered data, ready to be put into a bundle. */
export function learnInterests(
  prepared: Prepared,
  learned: Matrix,
  kind: InterestKind,
  options: LearnOptions,
): LearnedInterests {
  const coded = learnIdentity(prepared, learned);
  const { vectors, identity, decay } = coded;
  const rankingBy = (scorer: (popularity: number) => ScorerFor): RankingSettings => ({
    decay,
    popularity: choosePopularity(prepared, scorer, UNMASKED),
  });
  if (kind === "own-code") {
    return {
      vectors,
      pooling: recencyInterests(vectors, decay, identityGain(vectors.cols, identity)),
      ranking: rankingBy((popularity) => identityRanking(prepared, coded, popularity)),
    };
  }
  const model = learnSequence(prepared, coded, options);
  return {
    vectors: model.vectors,
    pooling: sequenceInterests(model),
    ranking: rankingBy((popularity) => sequenceRanking(prepared, model, popularity)),
  };
}

/** The weight of popularity by the validation NDCG. */
export function choosePopularity(
  { dataset, counts }: Prepared,
  ranking: (popularity: number) => ScorerFor,
  policy: HistoryPolicy,
): number {
  return choose(dataset, counts, POPULARITY, ranking, policy).settings;
}
