import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { withIdentity } from "./identity.js";

const ITEMS = 50;
const DIMS = 64;
const identity = { dims: 32, length: 0.6 };
const uniform = mulberry32(3);
const vectors = normaliseRows(matrix(ITEMS, DIMS, randomVector(uniform, ITEMS * DIMS)));

describe("an item-identity code", () => {
  const coded = withIdentity(vectors, identity);

  test("has its share of a length of 1 and does not change the direction of the rest", () => {
    const row = rowOf(coded, 7);
    const lengthOf = (part: Float32Array): number => Math.hypot(...part);
    expect(lengthOf(row)).toBeCloseTo(1, 6);
    expect(lengthOf(row.subarray(32))).toBeCloseTo(0.6, 6);
    const before = rowOf(vectors, 7).subarray(0, 32);
    const cosine = before.reduce((sum, x, j) => sum + x * row[j]!, 0) / (lengthOf(before) * 0.8);
    expect(cosine).toBeCloseTo(1, 5);
  });
});
