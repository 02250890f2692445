import { describe, expect, test } from "@jest/globals";
import { mulberry32, nearNormal, randomVector } from "./random.js";

describe("random draws", () => {
  test("one seed gives one sequence, another seed another", () => {
    const draw = (seed: number): number[] => Array.from({ length: 5 }, mulberry32(seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(Array.from(randomVector(mulberry32(3), 4))).toEqual(
      Array.from(randomVector(mulberry32(3), 4)),
    );
  });

  test("uniform draws fill [0, 1) evenly, near-normal ones have mean 0 and variance 1", () => {
    const uniform = mulberry32(7);
    const draws = Array.from({ length: 20_000 }, uniform);
    expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...draws)).toBeLessThan(1);
    expect(draws.reduce((sum, x) => sum + x, 0) / draws.length).toBeCloseTo(0.5, 1);
    const normal = Array.from({ length: 20_000 }, () => nearNormal(uniform));
    const mean = normal.reduce((sum, x) => sum + x, 0) / normal.length;
    const variance = normal.reduce((sum, x) => sum + (x - mean) ** 2, 0) / normal.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
  });

  test("a seed that is no integer is refused", () => {
    expect(() => mulberry32(0.5)).toThrow("seed");
  });
});
