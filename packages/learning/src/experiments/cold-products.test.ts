import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import type { Prepared } from "../representation/prepare.js";
import { coldProductMetrics, withColdProducts } from "./cold-products.js";

const KINDS = 15;
const ITEMS = 150;
const USERS = 200;
const kindOf = (item: number): number => item % KINDS;

/** A row per product around its kind's centre. */
function aroundKinds(dims: number, noise: number, uniform: () => number): Matrix {
  const centres = matrix(KINDS, dims, randomVector(uniform, KINDS * dims));
  const rows = matrix(ITEMS, dims, randomVector(uniform, ITEMS * dims));
  for (let item = 0; item < ITEMS; item += 1) {
    const [row, centre] = [rowOf(rows, item), rowOf(centres, kindOf(item))];
    for (let j = 0; j < dims; j += 1) row[j] = noise * row[j]! + centre[j]!;
  }
  return normaliseRows(rows);
}

/** Users who take products of one kind each. */
function planted(): { prepared: Prepared; vectors: Matrix } {
  const uniform = mulberry32(3);
  const text = aroundKinds(3, 0.2, uniform);
  const vectors = aroundKinds(16, 0.3, uniform);
  const draw = (user: number): number =>
    (Math.floor((uniform() * ITEMS) / KINDS) * KINDS + (user % KINDS)) % ITEMS;
  const lists = (length: number) =>
    Array.from({ length: USERS }, (_, user) => Int32Array.from({ length }, () => draw(user)));
  const train = lists(5);
  const counts = new Float64Array(ITEMS);
  for (const list of train) for (const item of list) counts[item]! += 1;
  const prepared: Prepared = {
    dataset: {
      name: "planted",
      itemIds: Array.from({ length: ITEMS }, (_, i) => `p${i}`),
      ordered: true,
      splits: { train, valid: lists(1), test: lists(1), testHistory: "train-and-valid" },
      features: {},
      texts: {},
    },
    features: { text },
    encoders: { text: { encoder: "words", dims: 3 } },
    content: {},
    whitenings: {},
    counts,
  };
  return { prepared, vectors };
}

describe("cold products", () => {
  test("are nowhere in training, and still among the targets", () => {
    const { prepared } = planted();
    const { prepared: without, cold } = withColdProducts(prepared, 0.2, 1);
    expect(cold.reduce((a, b) => a + b, 0)).toBe(30);
    const { train, test: targets } = without.dataset.splits;
    expect(train.some((list) => list.some((item) => cold[item] === 1))).toBe(false);
    expect(without.counts.filter((count, item) => cold[item] === 1 && count > 0)).toHaveLength(0);
    expect(targets).toBe(prepared.dataset.splits.test);
  });

  test("are found by an imputed vector better than by content alone, and not at all without", async () => {
    const { prepared, vectors } = planted();
    const coldProducts = withColdProducts(prepared, 0.2, 1);
    const ranking = { decay: 0.7, popularity: 0.01 };
    const metrics = await coldProductMetrics(coldProducts, vectors, ranking, { masked: false });
    const recall = Object.fromEntries(
      metrics.map(({ method, cold }) => [method, cold[0]!.recall.value]),
    );
    expect(recall["nothing"]).toBe(0);
    expect(recall["imputed"]).toBeGreaterThan(recall["content"]!);
    expect(recall["imputed"]).toBeGreaterThan(0.5);
    const [without, , imputed] = metrics;
    expect(imputed!.overall[0]!.recall.value).toBeGreaterThan(without!.overall[0]!.recall.value);
  });
});
