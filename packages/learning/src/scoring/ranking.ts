/** How learned vectors rank. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { Prepared } from "../representation/prepare.js";
import { interestWeightsOf, towersOf } from "../training/parameters.js";
import type { Parameters, TowerShape } from "../training/parameters.js";
import type { Towers } from "../training/towers.js";
import type { ScorerFor } from "./choose.js";
import { attentionWeights, pooledScorer, popularityPrior } from "./pooled.js";
import type { InterestAttention } from "./pooled.js";

/** Weights of the pooled ranking. */
export interface RankingSettings {
  /** An interaction's weight is this per newer interaction. */
  readonly decay: number;
  /** beta: score = u'v + beta log(1 + count). */
  readonly popularity: number;
}

/** What was learned about users, beside the products' vectors. */
export interface LearnedUsers {
  readonly towers?: Towers;
  readonly interests?: InterestAttention;
}

/** The users' side of what a fusion model learned; empty where it learned none. */
export function usersOf(shape: TowerShape, parameters: Parameters): LearnedUsers {
  const towers = towersOf(shape, parameters);
  const { content, biases } = interestWeightsOf(shape, parameters);
  return {
    ...(towers && { towers }),
    ...(content && biases && { interests: { ...content, biases } }),
  };
}

/**
 * Scorers by pooled interests, for any settings and histories.
 * @param vectors one row of length 1 per product
 */
export function rankingOf(
  { counts }: Pick<Prepared, "counts">,
  vectors: Matrix,
  { towers, interests: attention }: LearnedUsers = {},
) {
  const interactionWeights = attention && attentionWeights(vectors, attention);
  return ({ decay, popularity }: RankingSettings): ScorerFor =>
    (histories, actions) =>
      pooledScorer({
        vectors,
        histories,
        actions,
        decay,
        prior: popularityPrior(counts, popularity),
        towers,
        interactionWeights,
      });
}
