import { describe, expect, test } from "@jest/globals";
import { mulberry32 } from "../vectors/random.js";
import { composeScore, decay, decayedPopularity, freshness, popularityScore } from "./ranking.js";

const day = 86_400_000;

describe("ranking", () => {
  test("popularity halves with every half-life", () => {
    // 8 now, 8 one half-life ago, 8 two ago: 8 + 4 + 2
    expect(decayedPopularity([8, 8, 8], [0, 7 * day, 14 * day], 7 * day)).toBe(14);
    expect(decayedPopularity([], [], day)).toBe(0);
    expect(decayedPopularity([1, -3], [0, 0], day)).toBe(0);
  });

  test("decay composes: two steps are one step of their sum", () => {
    const uniform = mulberry32(12);
    for (let round = 0; round < 50; round += 1) {
      const [value, one, two] = [100 * uniform(), 30 * day * uniform(), 30 * day * uniform()];
      const steps = decay(decay(value, one, 7 * day), two, 7 * day);
      expect(steps / decay(value, one + two, 7 * day)).toBeCloseTo(1, 12);
    }
    const weights = [3, 1, 4];
    const ages = [day, 2 * day, 5 * day];
    const later = ages.map((age) => age + 3 * day);
    const now = decayedPopularity(weights, ages, 7 * day);
    expect(decayedPopularity(weights, later, 7 * day)).toBeCloseTo(
      decay(now, 3 * day, 7 * day),
      12,
    );
  });

  test("the popularity score is logarithmic, in [0, 1], and 0 where nothing is popular", () => {
    expect(popularityScore(9, 99)).toBeCloseTo(0.5, 12);
    expect(popularityScore(99, 99)).toBe(1);
    expect(popularityScore(500, 99)).toBe(1);
    expect(popularityScore(-2, 99)).toBe(0);
    expect(popularityScore(0, 0)).toBe(0);
  });

  test("freshness halves with every half-life and is 1 for what is still to come", () => {
    expect(freshness(0, 30 * day)).toBe(1);
    expect(freshness(60 * day, 30 * day)).toBe(0.25);
    expect(freshness(-5 * day, 30 * day)).toBe(1);
  });

  test("the parts of a score sum to the score, similarity as it is", () => {
    const composed = composeScore(
      { similarity: -0.5, popularity: 0.5, freshness: 0.25 },
      { similarity: 1, popularity: 0.1, freshness: 0.05 },
    );
    expect(composed.parts).toEqual({ similarity: -0.5, popularity: 0.05, freshness: 0.0125 });
    expect(composed.score).toBe(-0.5 + 0.05 + 0.0125);
  });

  test("numbers that are not finite, half-lives not above 0, and torn lists are refused", () => {
    expect(() => decay(1, 1, 0)).toThrow("half-life");
    expect(() => freshness(Number.NaN, day)).toThrow("elapsed time");
    expect(() => popularityScore(Number.NaN, 1)).toThrow("popularity");
    expect(() => decayedPopularity([1], [], day)).toThrow("1 weights, 0 ages");
    const ones = { similarity: 1, popularity: 1, freshness: 1 };
    expect(() => composeScore({ ...ones, freshness: Number.NaN }, ones)).toThrow("freshness");
  });
});
