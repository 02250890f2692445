import { expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { FUSED_SPACE } from "@marquetry/model/ranking/reranker";
import type { Dataset } from "../dataset/dataset.js";
import { largestPlaces } from "../linear-algebra/largest.js";
import { normaliseRows } from "../linear-algebra/rows.js";
import { fitReranker } from "./fit-reranker.js";
import { rerankedScorer, vectorsBySpace } from "./reranked.js";
import type { BaseRanking } from "./reranked.js";

const ITEMS = 30;

/** The base ranks products by their numbers, whoever asks. */
function numbered(items: number, seed: number): BaseRanking {
  const vectors = normaliseRows(matrix(items, 6, randomVector(mulberry32(seed), items * 6)));
  return {
    scorerFor: () => (users) => {
      const scores = Float32Array.from(
        { length: users.length * items },
        (_, at) => 1 - (at % items) / items,
      );
      return matrix(users.length, items, scores);
    },
    weights: { similarity: 1, popularity: 0 },
    popularity: new Float64Array(items),
    vectorOf: vectorsBySpace({ [FUSED_SPACE]: vectors }),
  };
}

test("only the first candidates change places; the others stay behind them in their order", () => {
  const features = { own: -100, "fused:last": 1e-9 };
  const model = { candidates: 5, historyMax: 30, features };
  const scorer = rerankedScorer(numbered(ITEMS, 1), model)([Int32Array.of(29, 0, 2)]);
  const order = Array.from(largestPlaces(scorer(Int32Array.of(0)).data, ITEMS));
  const rest = Array.from({ length: ITEMS - 5 }, (_, i) => 5 + i);
  expect(order).toEqual([1, 3, 4, 0, 2, ...rest]);
});

/** Every user's next product is a new one that is near to the last one and has a low number. */
function plantedDataset(base: BaseRanking, users: number): Dataset {
  const uniform = mulberry32(4);
  const train = Array.from({ length: users }, () =>
    Int32Array.from({ length: 3 }, () => Math.floor(uniform() * ITEMS)),
  );
  const valid = train.map((history) => {
    const last = base.vectorOf(FUSED_SPACE, history[2]!)!;
    const likeness = Float32Array.from({ length: ITEMS }, (_, item) =>
      history.includes(item)
        ? -1
        : base
            .vectorOf(FUSED_SPACE, item)!
            .reduce((sum, x, j) => sum + x * last[j]!, -item / ITEMS),
    );
    return largestPlaces(likeness, 1);
  });
  return {
    name: "planted",
    itemIds: Array.from({ length: ITEMS }, (_, i) => String(i)),
    ordered: true,
    splits: { train, valid, test: valid, testHistory: "train" },
    features: {},
    texts: {},
  };
}

test("a planted habit is learned and found in users whose targets were not fitted to", () => {
  const base = numbered(ITEMS, 2);
  const dataset = plantedDataset(base, 80);
  const fitted = fitReranker(base, dataset, new Float64Array(ITEMS).fill(1), [])!;
  expect(fitted.validation.ndcg).toBeGreaterThan(0.8);
  expect(fitted.validation.baseNdcg).toBeLessThan(0.55);
  expect(fitted.model.features["fused:last"]).toBeGreaterThan(0);
  expect(fitted.model.features["own"]).toBeLessThan(0);
});

test("there is no re-ranker where it does not help users whose targets were not fitted to", () => {
  const base = numbered(ITEMS, 3);
  const dataset = plantedDataset(base, 80);
  const valid = dataset.splits.train.map(() => Int32Array.of(0));
  const splits = { ...dataset.splits, valid };
  const counts = new Float64Array(ITEMS).fill(1);
  expect(fitReranker(base, { ...dataset, splits }, counts, [])).toBeUndefined();
});
