import { describe, expect, test } from "@jest/globals";
import { mulberry32, nearNormal } from "./random.js";
import { softmax } from "./softmax.js";

describe("softmax", () => {
  test("gives the values computed by hand", () => {
    const weights = softmax([0, Math.log(3)]);
    expect(weights[0]).toBeCloseTo(0.25, 12);
    expect(weights[1]).toBeCloseTo(0.75, 12);
    expect(softmax([-7])).toEqual([1]);
  });

  test("weights sum to one, and a constant added to every score cancels", () => {
    const uniform = mulberry32(1);
    for (let round = 0; round < 20; round += 1) {
      const scores = Array.from({ length: 1 + round }, () => 5 * nearNormal(uniform));
      const weights = softmax(scores);
      expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
      const shifted = softmax(scores.map((score) => score + 100));
      weights.forEach((weight, i) => expect(shifted[i]).toBeCloseTo(weight, 12));
    }
  });

  test("large scores do not overflow, non-finite ones and none at all are refused", () => {
    expect(softmax([5000, 0])).toEqual([1, 0]);
    expect(() => softmax([Number.NaN, 0])).toThrow("not finite");
    expect(() => softmax([])).toThrow("no scores");
  });
});
