/** Rows of the quality table with several interests per user. */
import type { InterestModel, MultiInterest } from "@marquetry/model/interests";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { multiInterestAround } from "@marquetry/model/interests/multi-interest";
import { interactionsOf } from "../dataset/interactions.js";
import { DATASET_ACTION } from "../dataset/actions.js";
import { evaluationCaseOf } from "../dataset/dataset.js";
import { metricsOf } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import { addPrior, nearestScores, pooledVector, popularityPrior } from "../scoring/pooled.js";
import type { Row } from "./report.js";
import { chooseRankingBy, rankingOf } from "../scoring/ranking.js";
import type { RankingSettings } from "../scoring/ranking.js";
import { HISTORY_POLICIES, historyPoliciesOf } from "./methods.js";
import type { Prepared } from "../representation/prepare.js";

/** Two tastes, each half as strong as what is common to both; not searched for here. */
const SEVERAL: MultiInterest = { max: 2, cosine: 0.6, share: 0.5, rounds: 3 };

/**
 * The learned vectors with up to two interests per user, decay and popularity chosen as for one; what
 * both come to on the validation part is said beside.
 */
export function* severalRows(prepared: Prepared, runs: readonly Matrix[]): Generator<Row> {
  const { dataset, counts } = prepared;
  if (!dataset.ordered || runs.length === 0) return;
  const evaluationCase = evaluationCaseOf(dataset, "test");
  for (const rule of historyPoliciesOf(prepared)) {
    const rows = runs.map((vectors) => {
      const ranked = severalOf(prepared, vectors);
      const rules = HISTORY_POLICIES[rule];
      const one = chooseRankingBy(prepared, rankingOf(prepared, vectors), rules);
      const { settings, validNdcg } = chooseRankingBy(prepared, ranked, rules);
      return {
        metrics: metricsOf(dataset, counts, evaluationCase, ranked(settings), rules),
        chosen:
          `decay ${settings.decay}, popularity ${settings.popularity}, ` +
          `validation N ${validNdcg.toFixed(4)}, of one ${one.validNdcg.toFixed(4)}`,
      };
    });
    yield {
      method: `full, ${SEVERAL.max} interests`,
      rule,
      runs: rows.map(({ metrics }) => metrics),
      chosen: rows.map(({ chosen }) => chosen),
    };
  }
}

function severalOf({ counts }: Prepared, vectors: Matrix) {
  const model: InterestModel = {
    strategy: "mean",
    actions: { [DATASET_ACTION]: { bias: 0, sign: 1 } },
    negativeShare: 0,
    normaliseOutput: true,
    multiInterest: SEVERAL,
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
