/** Full ranking: every product is a candidate. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { rowOf } from "../linear-algebra/rows.js";
import type { Question } from "../dataset/dataset.js";

/** Scores of all products for some users, as a new matrix of shape [users, products]. */
export type Scorer = (users: Int32Array) => Matrix;

export interface RankingRules {
  /** Whether products of the user's history are left out. */
  readonly masked: boolean;
  /** What is taken off the score of a product of the user's own history; 0 unless given. */
  readonly ownPenalty?: number;
}

/** The best products of every user who is asked. */
export interface TopLists {
  readonly users: Int32Array;
  /** One list per user, best first, as long as `LIST_LENGTH` or as there are candidates. */
  readonly lists: readonly Int32Array[];
}

export const LIST_LENGTH = 50;
const BLOCK_USERS = 512;

/** Ties go to the lower number. */
export function topLists(question: Question, scorer: Scorer, rules: RankingRules): TopLists {
  const users = askedUsers(question);
  const own = question.own ?? question.histories;
  const lists: Int32Array[] = [];
  for (const { user, scores } of scoredUsers(users, scorer)) {
    applyRules(scores, own[user]!, rules);
    lists.push(best(scores, LIST_LENGTH));
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
export function askedUsers({ histories, targets, own = histories }: Question): Int32Array {
  return Int32Array.from(
    [...targets.keys()].filter((user) => targets[user]!.length > 0 && own[user]!.length > 0),
  );
}

function applyRules(
  scores: Float32Array,
  own: Int32Array,
  { masked, ownPenalty = 0 }: RankingRules,
): void {
  if (masked) for (const item of own) scores[item] = -Infinity;
  else if (ownPenalty !== 0) for (const item of new Set(own)) scores[item]! -= ownPenalty;
}

/** Numbers of the largest scores, largest first; what is minus infinity is no candidate. */
export function best(scores: Float32Array, count: number): Int32Array {
  const items = new Int32Array(count);
  const values = new Float64Array(count);
  let filled = 0;
  for (let item = 0; item < scores.length; item += 1) {
    const score = scores[item]!;
    if (score === -Infinity || (filled === count && score <= values[count - 1]!)) continue;
    let at = filled < count ? filled : count - 1;
    while (at > 0 && values[at - 1]! < score) {
      values[at] = values[at - 1]!;
      items[at] = items[at - 1]!;
      at -= 1;
    }
    values[at] = score;
    items[at] = item;
    filled = Math.min(count, filled + 1);
  }
  return items.subarray(0, filled);
}
