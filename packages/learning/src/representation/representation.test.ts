import { describe, expect, test } from "@jest/globals";
import { identity, matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { csrTimesDense } from "../linear-algebra/csr.js";
import { rowOf } from "../linear-algebra/rows.js";
import { collaborativeRows } from "./collaborative.js";
import { prepareContent } from "./content.js";
import { productGraph } from "./product-graph.js";

const lists = (...items: number[][]): Int32Array[] => items.map((list) => Int32Array.from(list));
const length = (row: Float32Array): number => Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));

describe("content", () => {
  test("rows are whitened to the requested directions and have length 1", () => {
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

describe("collaborative", () => {
  const train = lists([0, 1], [0, 1], [2, 3], [2, 3], [0, 1, 2]);

  test("products that the same users had are near, others are not; one that nobody had is zero", () => {
    const rows = collaborativeRows(train, 5, 3, 1);
    const cosine = (i: number, j: number): number =>
      rowOf(rows, i).reduce((sum, x, k) => sum + x * rowOf(rows, j)[k]!, 0);
    expect(cosine(0, 1)).toBeGreaterThan(0.9);
    expect(cosine(2, 3)).toBeGreaterThan(0.5);
    expect(cosine(1, 3)).toBeLessThan(0.3);
    expect(length(rowOf(rows, 4))).toBeLessThan(1e-6);
  });
});

describe("product graph", () => {
  const train = [
    Int32Array.of(0, 1),
    Int32Array.of(0, 1),
    Int32Array.of(1, 2),
    Int32Array.of(3, 4),
  ];
  const content = {
    text: matrix(5, 2, Float32Array.of(1, 0, 0, 1, 1, 0, -1, 0, 0, -1)),
  };
  const dense = csrTimesDense(productGraph(train, 5, content), identity(5));
  const at = (i: number, j: number): number => rowOf(dense, i)[j]!;

  test("it is symmetric, without loops", () => {
    for (let i = 0; i < 5; i += 1) {
      expect(at(i, i)).toBe(0);
      for (let j = 0; j < i; j += 1) expect(at(i, j)).toBeCloseTo(at(j, i), 12);
    }
  });

  test("by hand: collaborative edges over the roots of both degrees, both ways", () => {
    // C_01 = 2 / 2, C_12 = 1 / 2, C_34 = 1 / 2; row sums 1, 1.5, .5, .5, .5.
    expect(at(0, 1)).toBeCloseTo(2 / Math.sqrt(1.5), 6);
    expect(at(1, 2)).toBeCloseTo((2 * 0.5) / Math.sqrt(1.5 * 0.5), 6);
    expect(at(3, 4)).toBeCloseTo(2, 6);
  });

  test("products of like content are neighbours at half the weight, opposite ones are not", () => {
    expect(at(0, 2)).toBeCloseTo(0.5, 6);
    expect(at(0, 3)).toBe(0);
  });
});
