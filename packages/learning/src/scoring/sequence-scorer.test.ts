import { expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { gatherRows, normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { startSequence } from "../sequence/parameters.js";
import { forwardSequence } from "../sequence/transformer.js";
import { pooledVector } from "./pooled.js";

const ITEMS = 7;
const shape = { dims: 6, heads: 2, hidden: 5, historyMax: 3, decay: 0.6 };
const vectors = normaliseRows(
  matrix(ITEMS, shape.dims, randomVector(mulberry32(11), ITEMS * shape.dims)),
);

test("an untrained sequence model gives the recency-pooled interest of the newest L", () => {
  const history = Int32Array.of(4, 1, 2, 0, 6);
  const x = gatherRows(vectors, history);
  const starts = Int32Array.of(0, history.length);
  const noDropout = { chance: 0, uniform: () => 0 };
  const { interests } = forwardSequence(shape, startSequence(shape, 1), x, starts, noDropout);
  const pooled = pooledVector(vectors, history.subarray(-shape.historyMax), shape.decay);
  rowOf(interests, 4).forEach((value, j) => expect(value).toBeCloseTo(pooled[j]!, 6));
});
