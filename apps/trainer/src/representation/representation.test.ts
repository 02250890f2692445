import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/matrix";
import { mulberry32, randomVector } from "@marquetry/model/random";
import { rowOf } from "../linear-algebra/rows.js";
import { behaviourRows } from "./behaviour.js";
import { prepareContent } from "./content.js";

const lists = (...items: number[][]): Int32Array[] => items.map((list) => Int32Array.from(list));
const length = (row: Float32Array): number => Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));

describe("content", () => {
  test("rows are whitened to the wanted directions and have length 1", () => {
    const { rows, whitening } = prepareContent(matrix(40, 6, randomVector(mulberry32(1), 240)), 3);
    expect([rows.rows, rows.cols]).toEqual([40, 3]);
    expect(whitening.weight.cols).toBe(6);
    for (let i = 0; i < 40; i += 1) expect(length(rowOf(rows, i))).toBeCloseTo(1, 5);
  });

  test("a product without the modality stays zero and changes no other product", () => {
    const vectors = matrix(40, 6, randomVector(mulberry32(1), 240));
    const more = matrix(41, 6, Float32Array.of(...vectors.data, 0, 0, 0, 0, 0, 0));
    const without = prepareContent(vectors, 3).rows.data;
    expect(Array.from(prepareContent(more, 3).rows.data)).toEqual([...without, 0, 0, 0]);
  });
});

describe("behaviour", () => {
  const train = lists([0, 1], [0, 1], [2, 3], [2, 3], [0, 1, 2]);

  test("products that the same users had are near, others are not; one that nobody had is zero", () => {
    const rows = behaviourRows(train, 5, 3, 1);
    const cosine = (i: number, j: number): number =>
      rowOf(rows, i).reduce((sum, x, k) => sum + x * rowOf(rows, j)[k]!, 0);
    expect(cosine(0, 1)).toBeGreaterThan(0.9);
    expect(cosine(2, 3)).toBeGreaterThan(0.5);
    expect(cosine(1, 3)).toBeLessThan(0.3);
    expect(length(rowOf(rows, 4))).toBeLessThan(1e-6);
  });
});
