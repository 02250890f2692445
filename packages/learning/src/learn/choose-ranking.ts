/** What is chosen of a ranking by learned vectors: decay and weight of popularity. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { evaluationCaseOf } from "../dataset/dataset.js";
import type { Prepared } from "../representation/prepare.js";
import { choose } from "../scoring/choose.js";
import type { Chosen, ScorerFor } from "../scoring/choose.js";
import { addPrior, popularityPrior } from "../scoring/pooled.js";
import { rankingOf } from "../scoring/ranking.js";
import type { LearnedUsers, RankingSettings } from "../scoring/ranking.js";
import type { HistoryPolicy, Scorer } from "../scoring/top-lists.js";

const DECAYS = [0.5, 0.6, 0.7];
const POPULARITY = [0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15];

/**
 * First the decay, then the weight of popularity, each with the best validation NDCG.
 * @param vectors one row of length 1 per product
 * @param fixedDecay Default: chosen where histories have an order, 1 where they have none.
 */
export function chooseRanking(
  prepared: Prepared,
  vectors: Matrix,
  policy: HistoryPolicy,
  fixedDecay?: number,
  users?: LearnedUsers,
): RankingSettings {
  return chooseRankingBy(prepared, rankingOf(prepared, vectors, users), policy, fixedDecay)
    .settings;
}

/** As `chooseRanking`, for any ranking with such settings; also returns the NDCG. */
export function chooseRankingBy(
  { dataset, counts }: Prepared,
  ranked: (settings: RankingSettings) => ScorerFor,
  policy: HistoryPolicy,
  fixedDecay?: number,
): Chosen<RankingSettings> {
  const decay =
    fixedDecay ??
    (dataset.ordered ? undefined : 1) ??
    choose(
      dataset,
      counts,
      DECAYS.map((each) => ({ decay: each, popularity: 0.04 })),
      ranked,
      policy,
    ).settings.decay;
  const { histories, actions } = evaluationCaseOf(dataset, "valid");
  const similarity = remembered(ranked({ decay, popularity: 0 })(histories, actions));
  return choose(
    dataset,
    counts,
    POPULARITY.map((popularity) => ({ decay, popularity })),
    ({ popularity }) =>
      () =>
      (users) =>
        addPrior(similarity(users), popularityPrior(counts, popularity)),
    policy,
  );
}

/** The scorer with its answers cached by block of users: several calls ask for the same blocks. */
function remembered(scorer: Scorer): Scorer {
  const blocks = new Map<number, Matrix>();
  return (users) => {
    const first = users[0]!;
    const block = blocks.get(first) ?? scorer(users);
    blocks.set(first, block);
    return matrix(block.rows, block.cols, block.data.slice());
  };
}
