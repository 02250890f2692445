import { expect, test } from "@jest/globals";
import { createTopK } from "./top-k.js";

test.each([1, 2, 7, 100, 999, 1_000, 2_000])(
  "the best %d of 1,000 are those of a full sort, ties included",
  (limit) => {
    // 17 distinct scores in an order without pattern, so that every cut runs through a tie.
    const offered = Array.from({ length: 1_000 }, (_, slot) => ({
      slot,
      score: (slot * 619) % 17,
    }));
    const best = createTopK(limit, (a, b) => a > b);
    for (const { slot, score } of offered) best.offer(slot, score);
    const expected = offered.sort((a, b) => b.score - a.score || b.slot - a.slot).slice(0, limit);
    expect(best.sorted()).toEqual(expected);
  },
);

test("the threshold is the worst score kept once the limit is reached", () => {
  const best = createTopK(2, (a, b) => a < b);
  best.offer(0, 5);
  expect(best.threshold()).toBe(-Infinity);
  best.offer(1, 3);
  best.offer(2, 4);
  expect(best.threshold()).toBe(4);
});
