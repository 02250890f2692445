/** Interests that are learned on top of finished vectors; for data in order of time. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { Prepared } from "../representation/prepare.js";
import { choose } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import { HISTORY_POLICIES } from "../scoring/history-policies.js";
import type { RankingSettings } from "../scoring/ranking.js";
import { recencyInterests, sequenceInterests } from "./served-interests.js";
import type { ServedInterests } from "./served-interests.js";
import type { HistoryPolicy } from "../scoring/top-lists.js";
import { identityGain } from "../sequence/identity.js";
import { identityRanking, learnIdentity } from "./learn-identity.js";
import type { LearnOptions } from "./learn-options.js";
import { learnSequence, sequenceRanking } from "./learn-sequence.js";

const POPULARITY = [0, 0.01, 0.02, 0.04, 0.07];

export interface LearnedInterests {
  /** One row of length 1 per product. */
  readonly vectors: Matrix;
  readonly ranking: RankingSettings;
  readonly pooling: ServedInterests;
}

/** Recency pooling of vectors with item-identity codes. */
export function learnIdentityInterests(prepared: Prepared, learned: Matrix): LearnedInterests {
  const interests = learnIdentity(prepared, learned);
  const { vectors, identity, decay } = interests;
  return {
    vectors,
    pooling: recencyInterests(vectors, decay, identityGain(vectors.cols, identity)),
    ranking: rankingBy(prepared, decay, (popularity) =>
      identityRanking(prepared, interests, popularity),
    ),
  };
}

/** The transformer on top of them. */
export function learnSequenceInterests(
  prepared: Prepared,
  learned: Matrix,
  options: LearnOptions,
): LearnedInterests {
  const coded = learnIdentity(prepared, learned);
  const model = learnSequence(prepared, coded, options);
  return {
    vectors: model.vectors,
    pooling: sequenceInterests(model),
    ranking: rankingBy(prepared, coded.decay, (popularity) =>
      sequenceRanking(prepared, model, popularity),
    ),
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

function rankingBy(
  prepared: Prepared,
  decay: number,
  ranking: (popularity: number) => ScorerFor,
): RankingSettings {
  return { decay, popularity: choosePopularity(prepared, ranking, HISTORY_POLICIES.unmasked) };
}
