/** Ranking in two stages: all products by vectors, then the best of them by the re-ranker. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { NeighboursOf } from "@marquetry/model/ranking/neighbours";
import { rerankerFeatures, rerankerParts } from "@marquetry/model/ranking/reranker";
import type { RerankedUser, RerankerModel } from "@marquetry/model/ranking/reranker";
import type { EvaluationCase } from "../dataset/dataset.js";
import type { ScorerFor } from "../scoring/choose.js";
import { largestPlaces } from "../linear-algebra/largest.js";
import { evaluatedUsers, scoredUsers } from "../scoring/top-lists.js";
import { rowOf } from "../linear-algebra/rows.js";
import type { RankedList } from "./listwise-loss.js";

/** The first stage. */
export interface BaseRanking {
  /** score = similarity weight * u'v + popularity weight * popularity. */
  readonly scorerFor: ScorerFor;
  readonly weights: { readonly similarity: number; readonly popularity: number };
  /** By product, in [0, 1]. */
  readonly popularity: Float64Array;
  /** A product's vector in a space of the re-ranker. */
  readonly vectorOf: (space: string, item: number) => Float32Array | undefined;
  /** A product's neighbours in the training part. */
  readonly neighboursOf?: NeighboursOf<number> | undefined;
}

/** The re-ranked candidates before all others; the others in their base order. */
export function rerankedScorer(base: BaseRanking, model: RerankerModel): ScorerFor {
  return (histories, actions) => {
    const scorer = base.scorerFor(histories, actions);
    return (users) => {
      const scores = scorer(users);
      for (const [i, user] of users.entries()) {
        rerankRow(base, model, rowOf(scores, i), histories[user]!);
      }
      return scores;
    };
  };
}

function rerankRow(
  base: BaseRanking,
  model: RerankerModel,
  row: Float32Array,
  history: Int32Array,
): void {
  const candidates = largestPlaces(row, model.candidates);
  const parts = rerankerParts(model, userOf(base, history, candidates));
  const reranked = parts.map((part, i) => row[candidates[i]!]! + part);
  const lowest = reranked.reduce((a, b) => Math.min(a, b), Infinity);
  const last = row[candidates.at(-1)!]!;
  // No other product scores higher than the last candidate.
  const behind = Math.max(0, last - lowest) + 1;
  for (let item = 0; item < row.length; item += 1) row[item]! -= behind;
  for (const [i, item] of candidates.entries()) row[item] = reranked[i]!;
}

/** Candidates of one evaluated user; the first feature is the similarity of the base ranking. */
export interface EvaluatedList extends RankedList {
  readonly user: number;
}

/**
 * Lists to fit to: of the users whose target is a candidate.
 * @param names features after the similarity
 */
export function evaluatedLists(
  base: BaseRanking,
  evaluationCase: EvaluationCase,
  names: readonly string[],
  { candidates: count, historyMax }: Pick<RerankerModel, "candidates" | "historyMax">,
): EvaluatedList[] {
  const users = evaluatedUsers(evaluationCase);
  const scorer = base.scorerFor(evaluationCase.histories, evaluationCase.actions);
  const lists: EvaluatedList[] = [];
  for (const { user, scores } of scoredUsers(users, scorer)) {
    const candidates = largestPlaces(scores, count);
    const targets = evaluationCase.targets[user]!;
    const target = candidates.findIndex((item) => targets.includes(item));
    if (target === -1) continue;
    const reranked = userOf(base, evaluationCase.histories[user]!, candidates);
    const rest = rerankerFeatures(reranked, names, historyMax);
    const features = withSimilarity(base, scores, candidates, rest);
    lists.push({ user, features, target });
  }
  return lists;
}

function withSimilarity(
  { weights, popularity }: BaseRanking,
  row: Float32Array,
  candidates: Int32Array,
  rest: Float64Array,
): Float32Array {
  const width = rest.length / candidates.length;
  const features = new Float32Array(candidates.length * (width + 1));
  for (const [i, item] of candidates.entries()) {
    const similarity = row[item]! - weights.popularity * popularity[item]!;
    features[i * (width + 1)] = similarity / weights.similarity;
    features.set(rest.subarray(i * width, (i + 1) * width), i * (width + 1) + 1);
  }
  return features;
}

function userOf(
  { popularity, vectorOf, neighboursOf }: BaseRanking,
  history: Int32Array,
  candidates: Int32Array,
): RerankedUser<number> {
  return {
    history: Array.from(history),
    candidates: Array.from(candidates, (product) => ({
      product,
      popularity: popularity[product]!,
    })),
    vectorOf,
    neighboursOf,
  };
}

/** Looks vectors up by space and product. @param spaces by name, one row per product */
export function vectorsBySpace(
  spaces: Readonly<Record<string, Matrix>>,
): (space: string, item: number) => Float32Array | undefined {
  return (space, item) => (Object.hasOwn(spaces, space) ? rowOf(spaces[space]!, item) : undefined);
}
