import { describe, expect, test } from "@jest/globals";
import { mulberry32 } from "../vectors/random.js";
import { composeScore, decay, freshness, popularityScore } from "./ranking.js";

const day = 86_400_000;

describe("ranking", () => {
  test("a value halves with every half-life", () => {
    expect([0, 7, 14].map((days) => decay(8, days * day, 7 * day))).toEqual([8, 4, 2]);
  });

  test("decay composes: two steps are one step of their sum", () => {
    const uniform = mulberry32(12);
    for (let round = 0; round < 50; round += 1) {
      const [value, one, two] = [100 * uniform(), 30 * day * uniform(), 30 * day * uniform()];
      const steps = decay(decay(value, one, 7 * day), two, 7 * day);
      expect(steps / decay(value, one + two, 7 * day)).toBeCloseTo(1, 12);
    }
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

  test("numbers that are not finite, and half-lives not above 0 are refused", () => {
    expect(() => decay(1, 1, 0)).toThrow("half-life");
    expect(() => freshness(Number.NaN, day)).toThrow("elapsed time");
    expect(() => popularityScore(Number.NaN, 1)).toThrow("popularity");
    const ones = { similarity: 1, popularity: 1, freshness: 1 };
    expect(() => composeScore({ ...ones, freshness: Number.NaN }, ones)).toThrow("freshness");
  });
});
