import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { ndcgAt, recallAt } from "@marquetry/model/ranking/metrics";
import { pool } from "@marquetry/model/interests";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { countItems } from "../dataset/dataset.js";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { easeScorer, itemKnnScorer, popularityScorer } from "./baselines.js";
import { coOccurrence } from "../representation/co-occurrence.js";
import { metricsAt } from "./metrics.js";
import { deviationOf, giniOf, meanOf } from "./statistics.js";
import { addPrior, pooledVector, popularityPrior } from "./pooled.js";
import { largestPlaces } from "../linear-algebra/largest.js";
import { evaluatedUsers, topLists } from "./top-lists.js";

const lists = (...items: number[][]): Int32Array[] => items.map((list) => Int32Array.from(list));

describe("full ranking", () => {
  const evaluationCase = {
    histories: lists([0], [1, 1], [], [2]),
    targets: lists([1], [2], [0], []),
  };
  const scorer = (users: Int32Array) =>
    matrix(
      users.length,
      3,
      Float32Array.from({ length: 3 * users.length }, (_, i) => 3 - (i % 3)),
    );

  test("users without history or target are not evaluated", () => {
    expect(Array.from(evaluatedUsers(evaluationCase))).toEqual([0, 1]);
  });

  test("a masked ranking leaves a user's own history out, an unmasked one does not", () => {
    const masked = topLists(evaluationCase, scorer, { masked: true });
    expect(masked.lists.map((list) => Array.from(list))).toEqual([
      [1, 2],
      [0, 2],
    ]);
    const unmasked = topLists(evaluationCase, scorer, { masked: false });
    expect(unmasked.lists.map((list) => Array.from(list))).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
  });

  test("a penalty is subtracted once from a product of the history, however often it stands there", () => {
    const { lists: ranked } = topLists(evaluationCase, scorer, { masked: false, penalty: 1.5 });
    expect(Array.from(ranked[1]!)).toEqual([0, 2, 1]);
  });

  test("ties go to the lower number, and no more than requested come back", () => {
    expect(Array.from(largestPlaces(Float32Array.of(1, 5, 5, -Infinity, 5), 3))).toEqual([1, 2, 4]);
    expect(Array.from(largestPlaces(Float32Array.of(1, -Infinity), 3))).toEqual([0]);
  });
});

describe("metrics", () => {
  const counts = Float64Array.of(3, 1, 0, 0);
  const ranked = { users: Int32Array.of(0, 1), lists: lists([0, 1, 2], [0, 2, 3]) };
  const targets = lists([1, 3], [2]);

  test("recall and NDCG are those of packages/model", () => {
    const { recall, ndcg } = metricsAt(2, ranked, targets, counts, 3);
    const one = ["0", "1", "2"];
    const two = ["0", "2", "3"];
    const both = (metric: typeof recallAt): number =>
      (metric(one, new Set(["1", "3"]), 2) + metric(two, new Set(["2"]), 2)) / 2;
    expect(recall.value).toBeCloseTo(both(recallAt), 12);
    expect(ndcg.value).toBeCloseTo(both(ndcgAt), 12);
    expect(recall.value).toBeCloseTo(0.75, 12);
  });

  test("coverage, Gini and novelty by hand", () => {
    const { coverage, gini, novelty } = metricsAt(2, ranked, targets, counts, 3);
    expect(coverage).toBe(0.75);
    // Shown 0, 1, 1, 2 times: (-3 * 0 - 1 + 1 + 3 * 2) / (4 * 4).
    expect(gini).toBeCloseTo(0.375, 12);
    // Shares of users 4/4, 2/4, 4/4, 1/4: 0 + 1 + 0 + 2 bits over four places.
    expect(novelty).toBeCloseTo(0.75, 12);
  });

  test("Gini is 0 where all are shown alike and near 1 where one takes all", () => {
    expect(giniOf(Float64Array.of(2, 2, 2))).toBe(0);
    expect(giniOf(Float64Array.of(0, 0, 0, 8))).toBe(0.75);
  });

  test("mean, deviation and standard error by hand", () => {
    expect(meanOf([0, 0, 1, 1])).toEqual({ value: 0.5, standardError: Math.sqrt(1 / 3) / 2 });
    expect(deviationOf([4])).toBe(0);
  });
});

describe("baselines", () => {
  const train = lists([0, 1], [0, 1, 2], [2], [0]);

  test("scores by popularity equal a count by hand", () => {
    const counts = countItems(train, 4);
    expect(Array.from(counts)).toEqual([3, 2, 2, 0]);
    expect(Array.from(popularityScorer(counts)(Int32Array.of(3, 0)).data)).toEqual([
      3, 2, 2, 0, 3, 2, 2, 0,
    ]);
  });

  test("item-kNN by hand: 1 / 2 for the pair in two, 1 / 3 for each pair in three", () => {
    const scores = itemKnnScorer(coOccurrence(train, 4), train, 0.5)(Int32Array.of(3, 0));
    const expected = [0, 5 / 6, 1 / 3, 0, 5 / 6, 5 / 12, 1 / 3 + 1 / 6, 0];
    expected.forEach((value, i) => expect(scores.data[i]).toBeCloseTo(value, 6));
  });

  test("EASE by hand on two products, with a zero diagonal", () => {
    const pairs = lists([0, 1], [0]);
    const scores = easeScorer(coOccurrence(pairs, 2), 1)(pairs)(Int32Array.of(1));
    // G + I = [[2.5, .5], [.5, 1.5]]; P = [[1.5, -.5], [-.5, 2.5]] / 3.5; B_01 = .5 / 2.5.
    expect(scores.data[0]).toBe(0);
    expect(scores.data[1]).toBeCloseTo(0.2, 6);
  });
});

describe("pooling", () => {
  const vectors = normaliseRows(matrix(5, 3, randomVector(mulberry32(3), 15)));

  test("a pooled vector is the interest of packages/model with the same rank decay", () => {
    const history = Int32Array.of(4, 0, 2, 2);
    const interactions = Array.from(history, (item, t) => ({
      vector: rowOf(vectors, item).slice(),
      action: "view",
      occurredAtMs: t,
    }));
    const interest = pool(
      {
        strategy: "attention",
        contentScoring: false,
        rankDecay: 0.7,
        actions: { view: { bias: 0, sign: 1 } },
        negativeShare: 0,
        normaliseOutput: true,
      },
      interactions,
    )!;
    pooledVector(vectors, history, 0.7).forEach((x, j) => expect(x).toBeCloseTo(interest[j]!, 6));
  });

  test("the prior is added to every row, and is that of the median for what is less popular", () => {
    const prior = popularityPrior(Float64Array.of(0, 1, Math.E - 1, Math.E ** 2 - 1), 0.5);
    expect(Array.from(addPrior(matrix(2, 4), prior).data)).toEqual(
      [1, 1, 1, 2, 1, 1, 1, 2].map((x) => x / 2),
    );
  });
});
