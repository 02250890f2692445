/** A re-ranker for learned vectors, with the ranking whose best candidates it orders. */
import { popularityScore } from "@marquetry/model/ranking";
import { FUSED_SPACE } from "@marquetry/model/ranking/reranker";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { Csr } from "../linear-algebra/csr.js";
import { itemNeighbours, neighboursIn } from "../representation/item-neighbours.js";
import type { Prepared } from "../representation/prepare.js";
import { fitReranker } from "../reranking/fit-reranker.js";
import type { FittedReranker } from "../reranking/fit-reranker.js";
import { vectorsBySpace } from "../reranking/reranked.js";
import type { BaseRanking } from "../reranking/reranked.js";
import { HISTORY_POLICIES } from "../scoring/history-policies.js";
import { popularityFloor } from "../scoring/pooled.js";
import { chooseRanking } from "./choose-ranking.js";
import { rankingOf } from "../scoring/ranking.js";
import type { LearnedUsers, RankingSettings } from "../scoring/ranking.js";
import { largestOf, servedWeights } from "../scoring/served-weights.js";

export interface FittedRanking extends FittedReranker {
  /** The ranking before it. */
  readonly ranking: RankingSettings;
  readonly base: BaseRanking;
  /** Of the training part, which `base` has too. */
  readonly neighbours: Csr;
}

/**
 * The ranking before the re-ranker is chosen with a penalty for own products, for the re-ranker
 * penalises them too. Where histories have no order the last interactions mean nothing, and there is
 * no re-ranker.
 */
export function fitReranking(
  prepared: Prepared,
  vectors: Matrix,
  users?: LearnedUsers,
): FittedRanking | undefined {
  const { dataset, counts, features } = prepared;
  const { train } = dataset.splits;
  if (!dataset.ordered) return undefined;
  const penalty = HISTORY_POLICIES["own-penalty"];
  const ranking = chooseRanking(prepared, vectors, penalty, undefined, users);
  const neighbours = itemNeighbours(train, counts.length);
  const base = baseRanking(prepared, vectors, ranking, { users, neighbours });
  const fitted = fitReranker(base, dataset, counts, Object.keys(features));
  return fitted && { ...fitted, ranking, base, neighbours };
}

/**
 * The learned vectors as services rank by them.
 * @param neighbours of the training part; without them nothing is a neighbour of anything
 */
export function baseRanking(
  prepared: Prepared,
  vectors: Matrix,
  ranking: RankingSettings,
  {
    users,
    neighbours,
  }: { readonly users?: LearnedUsers | undefined; readonly neighbours?: Csr } = {},
): BaseRanking {
  const { counts, features } = prepared;
  const most = largestOf(counts);
  const floor = popularityFloor(counts);
  return {
    scorerFor: rankingOf(prepared, vectors, users)(ranking),
    weights: servedWeights(ranking, counts),
    popularity: counts.map((count) => popularityScore(Math.max(count, floor), most)),
    vectorOf: vectorsBySpace({ ...features, [FUSED_SPACE]: vectors }),
    neighboursOf: neighbours && neighboursIn(neighbours),
  };
}
