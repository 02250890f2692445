import { expect, test } from "@jest/globals";
import { mulberry32 } from "@marquetry/model/vectors/random";
import { minimise } from "./lbfgs.js";
import { fitListwise } from "./listwise.js";
import { listwiseLoss } from "./listwise-loss.js";
import type { RankedList } from "./listwise-loss.js";

test("the minimum of a convex quadratic is found, however narrow its valley", () => {
  const curvatures = Float64Array.of(1, 100, 1e4, 3);
  const best = Float64Array.of(2, -1, 0.5, 7);
  const { at, value } = minimise(
    (x) => ({
      value: x.reduce((sum, xi, j) => sum + (curvatures[j]! * (xi - best[j]!) ** 2) / 2, 0),
      gradient: x.map((xi, j) => curvatures[j]! * (xi - best[j]!)),
    }),
    new Float64Array(4),
  );
  expect(value).toBeLessThan(1e-8);
  at.forEach((x, j) => expect(x).toBeCloseTo(best[j]!, 4));
});

/** Targets drawn by the softmax of known weights. */
function drawnLists(count: number, weights: Float64Array, seed: number): RankedList[] {
  const uniform = mulberry32(seed);
  return Array.from({ length: count }, () => {
    const features = Float64Array.from({ length: 20 * weights.length }, () => uniform() * 2 - 1);
    const exps = Float64Array.from({ length: 20 }, (_, row) =>
      Math.exp(weights.reduce((sum, w, j) => sum + w * features[row * weights.length + j]!, 0)),
    );
    let rest = uniform() * exps.reduce((a, b) => a + b, 0);
    const target = exps.findIndex((exp) => (rest -= exp) <= 0);
    return { features, target: Math.max(0, target) };
  });
}

test("the gradient is that of the loss", () => {
  const weights = Float64Array.of(0.3, -1, 2);
  const lists = drawnLists(5, weights, 1);
  const { gradient } = listwiseLoss(lists, weights, 0.1);
  for (const j of weights.keys()) {
    const moved = (by: number): number => {
      const w = weights.slice();
      w[j]! += by;
      return listwiseLoss(lists, w, 0.1).value;
    };
    expect((moved(1e-5) - moved(-1e-5)) / 2e-5).toBeCloseTo(gradient[j]!, 8);
  }
});

test("weights by which targets were drawn come back, and twice the same", () => {
  const weights = Float64Array.of(1.5, -1, 0.5);
  const lists = drawnLists(4_000, weights, 2);
  const fitted = fitListwise(lists, 3, 1e-4);
  fitted.forEach((w, j) => expect(Math.abs(w - weights[j]!)).toBeLessThan(0.1));
  expect(fitListwise(lists, 3, 1e-4)).toEqual(fitted);
});

test("a feature that is the same for all candidates gets no weight", () => {
  const lists = drawnLists(50, Float64Array.of(1, 1), 3).map(({ features, target }) => ({
    target,
    features: features.map((x, at) => (at % 2 === 0 ? x : 5)),
  }));
  expect(fitListwise(lists, 2, 1e-4)[1]).toBeCloseTo(0, 6);
});

test("nothing to fit to is refused", () => {
  expect(() => fitListwise([], 2, 1e-4)).toThrow("no user whose target is a candidate");
});
