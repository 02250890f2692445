/** Full ranking: every product is a candidate. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { largestPlaces } from "../linear-algebra/largest.js";
import { rowOf } from "../linear-algebra/rows.js";
import type { EvaluationCase } from "../dataset/dataset.js";

/** Scores of all products for some users, as a new matrix of shape [users, products]. */
export type Scorer = (users: Int32Array) => Matrix;

/** What is done with products of the user's own history. */
export interface HistoryPolicy {
  /** Whether they are never shown. */
  readonly masked: boolean;
  /** Subtracted from their scores. Default: 0. */
  readonly penalty?: number;
}

/** The best products of every evaluated user. */
export interface TopLists {
  readonly users: Int32Array;
  /** One list per user, best first, as long as `LIST_LENGTH` or as there are candidates. */
  readonly lists: readonly Int32Array[];
}

const LIST_LENGTH = 50;
const BLOCK_USERS = 512;

/**
 * Ranks all products for every evaluated user. Of equal scores the lower number is first.
 * @param policy applies to `own` of the evaluation case
 */
export function topLists(
  evaluationCase: EvaluationCase,
  scorer: Scorer,
  policy: HistoryPolicy,
): TopLists {
  const users = evaluatedUsers(evaluationCase);
  const own = evaluationCase.own ?? evaluationCase.histories;
  const lists: Int32Array[] = [];
  for (const { user, scores } of scoredUsers(users, scorer)) {
    applyPolicy(scores, own[user]!, policy);
    lists.push(largestPlaces(scores, LIST_LENGTH));
  }
  return { users, lists };
}

/** Users one by one with the scores of all products, computed block by block. */
export function* scoredUsers(
  users: Int32Array,
  scorer: Scorer,
): Generator<{ readonly user: number; readonly scores: Float32Array }> {
  for (let from = 0; from < users.length; from += BLOCK_USERS) {
    const block = users.subarray(from, from + BLOCK_USERS);
    const scores = scorer(block);
    for (const [i, user] of block.entries()) yield { user, scores: rowOf(scores, i) };
  }
}

/** Users with a history to start from and a target to find. */
export function evaluatedUsers({
  histories,
  targets,
  own = histories,
}: EvaluationCase): Int32Array {
  return Int32Array.from(
    [...targets.keys()].filter((user) => targets[user]!.length > 0 && own[user]!.length > 0),
  );
}

function applyPolicy(
  scores: Float32Array,
  own: Int32Array,
  { masked, penalty = 0 }: HistoryPolicy,
): void {
  if (masked) for (const item of own) scores[item] = -Infinity;
  else if (penalty !== 0) for (const item of new Set(own)) scores[item]! -= penalty;
}
