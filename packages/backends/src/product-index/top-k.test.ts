import { expect, test } from "@jest/globals";
import { createTopK } from "./top-k.js";

test.each([1, 2, 7, 100, 999, 1_000, 2_000])(
  "the best %d of 1,000 are those of a full sort, ties included",
  (limit) => {
    // 17 distinct scores in an order without pattern, so that every cut runs through a tie.
    const offered = Array.from({ length: 1_000 }, (_, row) => ({
      row,
      score: (row * 619) % 17,
    }));
    const top = createTopK(limit, (a, b) => a > b);
    for (const { row, score } of offered) top.offer(row, score);
    const expected = offered.sort((a, b) => b.score - a.score || b.row - a.row).slice(0, limit);
    expect(top.sorted()).toEqual(expected);
  },
);

test("the threshold is the worst score of the top once the limit is reached", () => {
  const top = createTopK(2, (a, b) => a < b);
  top.offer(0, 5);
  expect(top.threshold()).toBe(-Infinity);
  top.offer(1, 3);
  top.offer(2, 4);
  expect(top.threshold()).toBe(4);
});
