import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { orPopularity, withNewest } from "./cold-users.js";
import { topLists } from "./top-lists.js";

const lists = (...items: number[][]): Int32Array[] => items.map((list) => Int32Array.from(list));

describe("cold users", () => {
  const evaluationCase = { histories: lists([0, 1], [2]), targets: lists([3], [3]) };

  test("only the newest are known, and what was removed is still no candidate", () => {
    const cold = withNewest(evaluationCase, 1);
    expect(cold.histories.map((list) => Array.from(list))).toEqual([[1], [2]]);
    const scorer = (users: Int32Array) => matrix(users.length, 4);
    const { lists: ranked } = topLists(cold, scorer, { masked: true });
    expect(ranked.map((list) => Array.from(list))).toEqual([
      [2, 3],
      [0, 1, 3],
    ]);
    expect(topLists(withNewest(evaluationCase, 0), scorer, { masked: true }).users).toHaveLength(2);
  });

  test("who has no history gets the order by popularity, the others their own", () => {
    const histories = lists([], [1], []);
    const scorer = orPopularity(
      (users) =>
        matrix(users.length, 2, Float32Array.from(Array.from(users).flatMap((u) => [u, 10]))),
      histories,
      Float64Array.of(5, 4),
    );
    expect(Array.from(scorer(Int32Array.of(0, 1, 2)).data)).toEqual([5, 4, 1, 10, 5, 4]);
  });
});
