import { describe, expect, test } from "@jest/globals";

import { planBatches } from "./batches.js";

describe("planBatches", () => {
  test("every row is in exactly one batch and no batch is above its bounds", () => {
    const lengths = Array.from({ length: 200 }, (_, i) => 1 + ((i * 37) % 128));
    const batches = planBatches(lengths, 16, 512);
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    for (const batch of batches) {
      expect(batch.length).toBeLessThanOrEqual(16);
      expect(batch.length * Math.max(...batch.map((i) => lengths[i]!))).toBeLessThanOrEqual(512);
    }
  });

  test("rows of similar length go together", () => {
    expect(planBatches([9, 1, 8, 2, 9, 1], 2, 1_000)).toEqual([
      [1, 5],
      [3, 2],
      [0, 4],
    ]);
  });

  test("a row above the bound goes alone, and nothing gives no batch", () => {
    expect(planBatches([500, 1, 2], 8, 100)).toEqual([[1, 2], [0]]);
    expect(planBatches([], 8, 100)).toEqual([]);
  });
});
