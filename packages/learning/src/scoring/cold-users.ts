/** Cold users: users with few interactions. */
import type { EvaluationCase } from "../dataset/dataset.js";
import { matrix } from "@marquetry/model/vectors/matrix";
import { rowOf } from "../linear-algebra/rows.js";
import type { Scorer } from "./top-lists.js";

/**
 * The evaluation case as if each user had only the newest `count` interactions. The older products
 * stay the user's own: a right answer that is no target would count as a mistake.
 */
export function withNewest({ histories, targets }: EvaluationCase, count: number): EvaluationCase {
  return {
    histories: histories.map((history) => history.slice(Math.max(0, history.length - count))),
    targets,
    own: histories,
  };
}

/** The scorer, but by popularity for users without history, as services answer them. */
export function orPopularity(
  scorer: Scorer,
  histories: readonly Int32Array[],
  counts: Float64Array,
): Scorer {
  return (users) => {
    const known = users.filter((user) => histories[user]!.length > 0);
    const scores = matrix(users.length, counts.length);
    const scored = known.length === 0 ? undefined : scorer(known);
    let next = 0;
    for (const [i, user] of users.entries()) {
      if (histories[user]!.length === 0) {
        rowOf(scores, i).set(counts);
        continue;
      }
      rowOf(scores, i).set(rowOf(scored!, next));
      next += 1;
    }
    return scores;
  };
}
