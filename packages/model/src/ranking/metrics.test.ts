import { describe, expect, test } from "@jest/globals";
import { ndcgAt, recallAt } from "./metrics.js";

const ranked = ["a", "b", "c", "d", "e"];
const relevant = new Set(["b", "d", "z"]);

describe("ranking metrics", () => {
  test("recall gives the values computed by hand", () => {
    expect(recallAt(ranked, relevant, 2)).toBeCloseTo(1 / 3, 12);
    expect(recallAt(ranked, relevant, 5)).toBeCloseTo(2 / 3, 12);
  });

  test("NDCG gives the value computed by hand", () => {
    const dcg = 1 / Math.log2(3) + 1 / Math.log2(5);
    const ideal = 1 + 1 / Math.log2(3) + 1 / 2;
    expect(ndcgAt(ranked, relevant, 5)).toBeCloseTo(dcg / ideal, 12);
    // With k = 1 only one place can be won.
    expect(ndcgAt(["b"], relevant, 1)).toBe(1);
    expect(ndcgAt(ranked, new Set(["c"]), 5)).toBe(0.5);
  });

  test("all relevant items first is 1, none is 0", () => {
    for (const metric of [recallAt, ndcgAt]) {
      expect(metric(["d", "z", "b", "a"], relevant, 3)).toBe(1);
      expect(metric(["a", "c"], relevant, 3)).toBe(0);
    }
  });

  test("no relevant item, a k below 1 and repeated ids are refused", () => {
    expect(() => recallAt(ranked, new Set(), 5)).toThrow("relevant");
    expect(() => ndcgAt(ranked, relevant, 0)).toThrow("k: expected");
    expect(() => recallAt(["b", "b"], relevant, 2)).toThrow("twice");
  });
});
