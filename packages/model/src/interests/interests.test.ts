import { describe, expect, test } from "@jest/globals";
import { assertInterestModel, pool, poolingWeights } from "./interests.js";
import type {
  AttentionInterest,
  InterestModel,
  MeanInterest,
  PooledInteraction,
} from "./interests.js";
import { identity, matrix } from "../vectors/matrix.js";
import { mulberry32, randomVector } from "../vectors/random.js";
import { norm } from "../vectors/vector.js";

const v = (...elements: number[]): Float32Array => new Float32Array(elements);
const day = 86_400_000;
const start = 1_700_000_000_000;

const actions = {
  view: { bias: 0, sign: 1 },
  purchase: { bias: Math.log(3), sign: 1 },
  dismiss: { bias: 0, sign: -1 },
} as const;
const mean: MeanInterest = {
  strategy: "mean",
  actions,
  negativeShare: 0.5,
  normaliseOutput: false,
};
const attention: AttentionInterest = {
  strategy: "attention",
  actions,
  contentScoring: false,
  negativeShare: 0.5,
  normaliseOutput: false,
};

const interaction = (action: string, vector: Float32Array, days = 0): PooledInteraction => ({
  vector,
  action,
  occurredAtMs: start + days * day,
});

const uniform = mulberry32(31);
const random = (rows: number, cols: number) =>
  matrix(rows, cols, randomVector(uniform, rows * cols));
const full: AttentionInterest = {
  ...attention,
  contentScoring: true,
  query: random(2, 4),
  key: random(2, 4),
  value: random(4, 4),
  ageHalfLifeMs: 7 * day,
  rankDecay: 0.85,
  normaliseOutput: true,
};
const history = (): PooledInteraction[] =>
  Array.from({ length: 9 }, (_, i) =>
    interaction(["view", "purchase", "dismiss"][i % 3]!, randomVector(uniform, 4), uniform() * 30),
  );

function expectClose(got: Float32Array | undefined, expected: ArrayLike<number>): void {
  expect(got).toBeDefined();
  expect(got!.length).toBe(expected.length);
  Array.from(expected).forEach((x, i) => expect(got![i]).toBeCloseTo(x, 6));
}

describe("pooling by hand-computed values", () => {
  test("the mean is the mean", () => {
    const list = [interaction("view", v(1, 2)), interaction("purchase", v(3, 6), 9)];
    expectClose(pool(mean, list), [2, 4]);
    expectClose(pool({ ...mean, normaliseOutput: true }, list), [
      1 / Math.sqrt(5),
      2 / Math.sqrt(5),
    ]);
  });

  test("the action of the interaction enters by its bias", () => {
    const list = [interaction("view", v(1, 0)), interaction("purchase", v(0, 1))];
    expectClose(pool(attention, list), [0.25, 0.75]);
  });

  test("after one half-life an interaction weighs half", () => {
    const list = [interaction("view", v(1, 0)), interaction("view", v(0, 1), 7)];
    expectClose(pool({ ...attention, ageHalfLifeMs: 7 * day }, list), [1 / 3, 2 / 3]);
  });

  test("each newer interaction takes one rank decay; equal times share a rank", () => {
    const model = { ...attention, rankDecay: 0.5 };
    const list = [
      interaction("view", v(1), 1),
      interaction("view", v(1), 3),
      interaction("view", v(1), 2),
    ];
    [1 / 7, 4 / 7, 2 / 7].forEach((x, i) =>
      expect(poolingWeights(model, list)[i]).toBeCloseTo(x, 12),
    );
    const tied = [
      interaction("view", v(1), 3),
      interaction("view", v(1), 3),
      interaction("view", v(1), 2),
    ];
    [4 / 9, 4 / 9, 1 / 9].forEach((x, i) =>
      expect(poolingWeights(model, tied)[i]).toBeCloseTo(x, 12),
    );
  });

  test("content enters as q'k / sqrt(d_k), values as W_v v", () => {
    const model: AttentionInterest = {
      ...attention,
      contentScoring: true,
      query: matrix(1, 2, v(1, 0)),
      key: matrix(1, 2, v(Math.log(3), 0)),
      value: matrix(2, 2, v(0, 1, 1, 0)),
    };
    // Scores ln 3 and 0, so weights .75 and .25; the value turns the axes.
    expectClose(
      pool(model, [interaction("view", v(1, 0)), interaction("view", v(0, 1))]),
      [0.25, 0.75],
    );
    // Identities: |v|^2 / sqrt 2.
    const weights = poolingWeights({ ...attention, contentScoring: true }, [
      interaction("view", v(1, 1)),
      interaction("view", v(0, 0)),
    ]);
    expect(weights[0]! / weights[1]!).toBeCloseTo(Math.exp(Math.SQRT2), 9);
  });

  test("a negative interaction pushes away by its share", () => {
    const list = [interaction("view", v(1, 0)), interaction("dismiss", v(0, 1))];
    expectClose(pool(attention, list), [0.5, -0.25]);
    expectClose(pool(mean, list), [0.5, -0.25]);
    expectClose(pool({ ...attention, negativeShare: 0 }, list), [0.5, 0]);
  });
});

describe("pooling", () => {
  test("the clock does not count: shifting all times changes nothing, bit for bit", () => {
    const list = history();
    const at = (shiftMs: number) =>
      list.map(({ vector, action, occurredAtMs }) => ({
        vector,
        action,
        occurredAtMs: Math.round(occurredAtMs) + shiftMs,
      }));
    expect(Array.from(pool(full, at(400 * day))!)).toEqual(Array.from(pool(full, at(0))!));
  });

  test.each<InterestModel>([mean, attention, full])(
    "the order of the list does not count",
    (model) => {
      const list = history();
      expectClose(pool(model, list.toReversed()), pool(model, list)!);
    },
  );

  test("weights sum to one over interactions of either sign", () => {
    for (const model of [mean, attention, full]) {
      const weights = poolingWeights(model, history());
      expect(weights).toHaveLength(9);
      expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    }
    expect(poolingWeights(full, [])).toEqual([]);
  });

  test("explicit identities give what absent matrices give", () => {
    const bare: AttentionInterest = { ...attention, contentScoring: true };
    const explicit = { ...bare, query: identity(4), key: identity(4), value: identity(4) };
    const list = history();
    expectClose(pool(explicit, list), pool(bare, list)!);
  });

  test("a newer interaction of the same kind weighs more", () => {
    const list = [interaction("view", v(1, 0), 1), interaction("view", v(1, 0), 2)];
    for (const model of [
      { ...attention, ageHalfLifeMs: day },
      { ...attention, rankDecay: 0.9 },
    ]) {
      const [older, newer] = poolingWeights(model, list);
      expect(newer!).toBeGreaterThan(older!);
    }
  });

  test("very old interactions alone still make an interest", () => {
    const model = { ...attention, ageHalfLifeMs: 1, normaliseOutput: true };
    expect(norm(pool(model, [interaction("view", v(3, 4), -20_000)])!)).toBeCloseTo(1, 6);
  });

  test("no interaction, dislikes alone, or a sum of zero make no interest", () => {
    expect(pool(full, [])).toBeUndefined();
    expect(pool(attention, [interaction("dismiss", v(1, 0))])).toBeUndefined();
    const undone = [interaction("view", v(1, 0)), interaction("dismiss", v(1, 0))];
    expect(pool({ ...attention, negativeShare: 1 }, undone)).toBeUndefined();
  });

  test("unknown actions, mixed dimensions and non-finite values are refused", () => {
    expect(() => pool(mean, [interaction("stare", v(1))])).toThrow("stare: no action");
    expect(() => pool(attention, [interaction("constructor", v(1))])).toThrow(
      "constructor: no action",
    );
    expect(() => pool(mean, [interaction("view", v(1)), interaction("view", v(1, 2))])).toThrow(
      "dimensions differ",
    );
    expect(() => pool(mean, [interaction("view", v(Number.NaN))])).toThrow("vector of a view");
    expect(() => pool(mean, [interaction("view", v(1), Number.NaN)])).toThrow("time of a view");
  });

  test("models that do not hold together are refused by name", () => {
    expect(() => assertInterestModel(full, 4)).not.toThrow();
    expect(() => assertInterestModel(mean, 4)).not.toThrow();
    const broken: [string, InterestModel][] = [
      ["interests.query: expected 5", full],
      ["interests.value: expected 5", { ...attention, value: matrix(4, 5) }],
      ["interests.key: expected 2 dimensions, got 5", { ...attention, query: matrix(2, 5) }],
      ["interests.rankDecay", { ...attention, rankDecay: 0 }],
      ["interests.ageHalfLifeMs", { ...attention, ageHalfLifeMs: -1 }],
      ["interests.negativeShare", { ...mean, negativeShare: -0.1 }],
      ["interests.actions: none", { ...mean, actions: {} }],
      [
        "interests.actions.view.bias",
        { ...mean, actions: { view: { bias: Number.NaN, sign: 1 } } },
      ],
    ];
    for (const [message, model] of broken) {
      expect(() => assertInterestModel(model, 5)).toThrow(message);
    }
  });
});
