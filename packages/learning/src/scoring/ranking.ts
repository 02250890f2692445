/** How learned vectors rank, and what of it is chosen on the validation part. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { pooledInterests } from "./served-interests.js";
import type { InterestAttention } from "./served-interests.js";
import { evaluationCaseOf } from "../dataset/dataset.js";
import { choose } from "./choose.js";
import type { Chosen, ScorerFor } from "./choose.js";
import { addPrior, pooledScorer, popularityPrior } from "./pooled.js";
import type { HistoryPolicy, Scorer } from "./top-lists.js";
import type { Towers } from "../training/towers.js";
import { interestWeightsOf, towersOf } from "../training/parameters.js";
import type { Parameters, TowerShape } from "../training/parameters.js";
import type { Prepared } from "../representation/prepare.js";

/** Weights of the pooled ranking. */
export interface RankingSettings {
  /** Per newer behaviour. */
  readonly decay: number;
  /** beta: score = u'v + beta log(1 + count). */
  readonly popularity: number;
}

const DECAYS = [0.5, 0.6, 0.7];
const POPULARITY = [0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15];

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
  { counts }: Pick<Prepared, "counts">,
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
  policy: HistoryPolicy,
  given?: number,
  users?: LearnedUsers,
): RankingSettings {
  return chooseRankingBy(prepared, rankingOf(prepared, vectors, users), policy, given).settings;
}

/** As `chooseRanking`, of whatever ranks by such settings, with what they come to. */
export function chooseRankingBy(
  { dataset, counts }: Prepared,
  ranked: (settings: RankingSettings) => ScorerFor,
  policy: HistoryPolicy,
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
      policy,
    ).settings.decay;
  const { histories, actions: known } = evaluationCaseOf(dataset, "valid");
  const similarity = remembered(ranked({ decay, popularity: 0 })(histories, known));
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
