import { describe, expect, test } from "@jest/globals";
import { pool } from "./interests.js";
import type { PooledInteraction, SequenceInterest } from "./interests.js";
import { lessNegatives, sequenceOf } from "./sequence-interest.js";

const model: SequenceInterest = {
  strategy: "sequence",
  graph: Uint8Array.of(1),
  historyMax: 2,
  rankDecay: 0.5,
  actions: { view: { bias: 0, sign: 1 }, dismiss: { bias: 0, sign: -1 } },
  negativeShare: 0.6,
  normaliseOutput: false,
};
const did = (action: string, occurredAtMs: number, ...vector: number[]): PooledInteraction => ({
  action,
  occurredAtMs,
  vector: Float32Array.from(vector),
});

describe("a sequence model", () => {
  test("sees the newest positive interactions, oldest first, those of one time as they came", () => {
    const interactions = [
      did("view", 5, 5, 0),
      did("dismiss", 9, 9, 0),
      did("view", 1, 1, 0),
      did("view", 5, 6, 0),
    ];
    expect(sequenceOf(model, interactions).map(([first]) => first)).toEqual([5, 6]);
    expect(sequenceOf(model, [did("dismiss", 1, 1, 0)])).toEqual([]);
  });

  test("what was disliked is subtracted with its recency weight, by hand", () => {
    // Newest first: weights 1 and .5, over 1.5. The dislike is the newest: .6 * 2/3 = .4.
    const interactions = [did("view", 1, 1, 0), did("dismiss", 2, 0, 1)];
    const interest = lessNegatives(model, interactions, Float32Array.of(1, 0))!;
    expect(interest[0]).toBeCloseTo(1, 6);
    expect(interest[1]).toBeCloseTo(-0.4, 6);
    const unit = lessNegatives({ ...model, normaliseOutput: true }, interactions, interest)!;
    expect(Math.hypot(...unit)).toBeCloseTo(1, 6);
  });

  test("without dislikes the graph's interest stays; where they cancel it there is none", () => {
    const interest = Float32Array.of(0.6, 0.8);
    const same = lessNegatives(model, [did("view", 1, 1, 0)], interest)!;
    same.forEach((x, j) => expect(x).toBeCloseTo(interest[j]!, 6));
    const all = { ...model, negativeShare: 1 };
    expect(lessNegatives(all, [did("dismiss", 1, 0.6, 0.8)], interest)).toBeUndefined();
  });

  test("is not pooled by pool(), and an unknown action is refused", () => {
    expect(() => pool(model, [did("view", 1, 1, 0)])).toThrow("packages/inference");
    expect(() => sequenceOf(model, [did("wink", 1, 1, 0)])).toThrow("wink");
  });
});
