import { describe, expect, test } from "@jest/globals";
import { pool } from "./interests.js";
import type { InterestModel, PooledInteraction } from "./interests.js";
import { matrix } from "../vectors/matrix.js";
import { poolMultiInterest, multiInterestAround } from "./multi-interest.js";
import { norm, normalise } from "../vectors/vector.js";

const multiInterest = { max: 2, cosine: 0.6, share: 0.5, rounds: 3 };
const model = {
  strategy: "mean",
  actions: { view: { bias: 0, sign: 1 }, dismiss: { bias: 0, sign: -1 } },
  negativeShare: 0.5,
  normaliseOutput: true,
  multiInterest,
} as const satisfies InterestModel;

const at = (degrees: number, length = 1): Float32Array => {
  const angle = (degrees * Math.PI) / 180;
  return Float32Array.of(length * Math.cos(angle), length * Math.sin(angle));
};
const did = (vector: Float32Array, occurredAtMs: number, action = "view"): PooledInteraction => ({
  vector,
  occurredAtMs,
  action,
});
/** norm(norm(g) + .5 c), g and c by their angles. */
const between = (g: number, c: number): Float32Array =>
  normalise(at(g).map((x, j) => x + 0.5 * at(c)[j]!));
function expectClose(got: readonly Float32Array[], expected: readonly Float32Array[]): void {
  expect(got.length).toBe(expected.length);
  for (const [k, vector] of expected.entries()) {
    for (const [j, x] of vector.entries()) expect(got[k]![j]).toBeCloseTo(x, 5);
  }
}

describe("the interests of a history", () => {
  test("of two groups are the pooled one drawn to each, the newest first", () => {
    const history = [did(at(0), 1), did(at(0), 2), did(at(90), 3)];
    // g = (2, 1) / sqrt 5; u_1 = norm(g + (0, .5)), u_2 = norm(g + (.5, 0)).
    expectClose(poolMultiInterest(model, history), [
      Float32Array.of(0.686557, 0.727076),
      Float32Array.of(0.952226, 0.305394),
    ]);
  });

  test("of one group are exactly the pooled one, and so without the bundle's section", () => {
    const near = [did(at(0), 1), did(at(53), 2)];
    expect(poolMultiInterest(model, near)).toEqual([pool(model, near)]);
    const { multiInterest: _, ...single } = model;
    const far = [did(at(0), 1), did(at(120), 2)];
    expect(poolMultiInterest(single, far)).toEqual([pool(single, far)]);
  });

  test("are as many as the history has groups, and no more than allowed", () => {
    const history = [did(at(0), 1), did(at(60), 2), did(at(120), 3), did(at(180), 4)];
    const upTo = (max: number) =>
      poolMultiInterest({ ...model, multiInterest: { ...multiInterest, max } }, history);
    expect([2, 3, 8].map((max) => upTo(max).length)).toEqual([2, 3, 4]);
  });

  test("move to the middle of their clusters", () => {
    const history = [did(at(0), 3), did(at(50), 2), did(at(90), 1)];
    const pooled = at(30);
    // 50 degrees is nearer to 90 than to 0, so the second centre is at 70 after one round.
    expectClose(multiInterestAround(model, pooled, history), [between(30, 0), between(30, 70)]);
    const still = { ...model, multiInterest: { ...multiInterest, rounds: 0 } };
    expectClose(multiInterestAround(still, pooled, history), [between(30, 0), between(30, 90)]);
  });

  test("take no direction from what was disliked", () => {
    const history = [did(at(0), 1), did(at(10), 2), did(at(200), 3, "dismiss")];
    expect(poolMultiInterest(model, history)).toEqual([pool(model, history)]);
    expect(poolMultiInterest(model, [did(at(0), 1, "dismiss")])).toEqual([]);
    expect(poolMultiInterest(model, [])).toEqual([]);
  });

  test("do not depend on the order of the list, equal times included", () => {
    const history = [0, 70, 100, 160, 250, 300].map((degrees) => did(at(degrees), 5));
    const pooled = at(20);
    const expected = multiInterestAround(model, pooled, history);
    expect(expected.length).toBe(2);
    for (let turn = 1; turn < history.length; turn += 1) {
      const rotated = [...history.slice(turn), ...history.slice(0, turn)];
      expect(multiInterestAround(model, pooled, rotated)).toEqual(expected);
      expect(multiInterestAround(model, pooled, rotated.toReversed())).toEqual(expected);
    }
  });

  test("are as long as the pooled one, whatever the lengths of the products", () => {
    const history = [did(at(0, 3), 1), did(at(90, 4), 2), did(at(0, 0), 3)];
    const raw = { ...model, normaliseOutput: false };
    const lengths = poolMultiInterest(raw, history).map(norm);
    // g = (3, 4) / 3
    expect(lengths).toEqual([expect.closeTo(5 / 3, 5), expect.closeTo(5 / 3, 5)]);
    const uneven = [did(at(0), 3), did(at(0), 2), did(at(90, 9), 1)];
    expectClose(multiInterestAround(raw, at(30, 2), uneven), [
      between(30, 0).map((x) => 2 * x),
      between(30, 90).map((x) => 2 * x),
    ]);
  });

  test("are drawn to what attention makes of the centres", () => {
    const rotation = matrix(2, 2, Float32Array.of(0, -1, 1, 0));
    const attention = {
      ...model,
      strategy: "attention",
      contentScoring: false,
      value: rotation,
    } as const;
    const history = [did(at(0), 2), did(at(90), 1)];
    expectClose(poolMultiInterest(attention, history), [between(135, 90), between(135, 180)]);
  });
});
