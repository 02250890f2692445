/** The learned vectors with several interests per user. */
import type { InterestModel, MultiInterest } from "@marquetry/model/interests";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { multiInterestAround } from "@marquetry/model/interests/multi-interest";
import { interactionsOf } from "../dataset/interactions.js";
import { DATASET_ACTION } from "../dataset/actions.js";
import type { ScorerFor } from "../scoring/choose.js";
import { addPrior, nearestScores, pooledVector, popularityPrior } from "../scoring/pooled.js";
import { HISTORY_POLICIES, historyPoliciesOf } from "../scoring/history-policies.js";
import { measure, mergeRuns } from "../scoring/method-result.js";
import type { MethodResult } from "../scoring/method-result.js";
import { chooseRankingBy } from "../learn/choose-ranking.js";
import { rankingOf } from "../scoring/ranking.js";
import type { RankingSettings } from "../scoring/ranking.js";
import type { Prepared } from "../representation/prepare.js";
import { settingsText } from "./vector-methods.js";

/** Two interests, each half as strong as what is common to both; not searched for here. */
const MULTI_INTEREST: MultiInterest = { max: 2, cosine: 0.6, share: 0.5, rounds: 3 };

/**
 * Up to two interests per user, decay and popularity chosen as for one. The validation NDCG of both
 * stands beside.
 */
export function* multiInterestResults(
  prepared: Prepared,
  runs: readonly Matrix[],
): Generator<MethodResult> {
  const { dataset } = prepared;
  if (!dataset.ordered || runs.length === 0) return;
  const method = `full, ${MULTI_INTEREST.max} interests`;
  for (const name of historyPoliciesOf(dataset)) {
    const policy = HISTORY_POLICIES[name];
    const results = runs.map((vectors) => {
      const ranked = multiInterestRanking(prepared, vectors);
      const one = chooseRankingBy(prepared, rankingOf(prepared, vectors), policy);
      const { settings, validNdcg } = chooseRankingBy(prepared, ranked, policy);
      const beside = `validation N ${validNdcg.toFixed(4)}, of one ${one.validNdcg.toFixed(4)}`;
      const chosen = `${settingsText(settings)}, ${beside}`;
      return measure(prepared, method, name, chosen, ranked(settings));
    });
    yield mergeRuns(results);
  }
}

function multiInterestRanking({ counts }: Prepared, vectors: Matrix) {
  const model: InterestModel = {
    strategy: "mean",
    actions: { [DATASET_ACTION]: { bias: 0, sign: 1 } },
    negativeShare: 0,
    normaliseOutput: true,
    multiInterest: MULTI_INTEREST,
  };
  return ({ decay, popularity }: RankingSettings): ScorerFor =>
    (histories) =>
    (users) => {
      const interests = Array.from(users, (user) => {
        const history = histories[user]!;
        const pooled = Float32Array.from(pooledVector(vectors, history, decay));
        return multiInterestAround(model, pooled, interactionsOf(vectors, history));
      });
      return addPrior(nearestScores(interests, vectors), popularityPrior(counts, popularity));
    };
}
