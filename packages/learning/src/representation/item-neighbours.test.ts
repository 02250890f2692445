import { expect, test } from "@jest/globals";
import { identity } from "@marquetry/model/vectors/matrix";
import { neighboursById } from "@marquetry/model/ranking/neighbours";
import { csrTimesDense } from "../linear-algebra/csr.js";
import type { Csr } from "../linear-algebra/csr.js";
import { rowOf } from "../linear-algebra/rows.js";
import { carriedNeighbours, itemNeighbours, neighboursIn } from "./item-neighbours.js";

const valueAt = (k: Csr, i: number, j: number): number =>
  rowOf(csrTimesDense(k, identity(k.rows)), i)[j]!;

test("by hand: pairs at .8 per place between them, over the roots of length and both counts", () => {
  const train = [Int32Array.of(0, 1, 0, 2), Int32Array.of(2, 1), Int32Array.of(3), Int32Array.of()];
  const k = itemNeighbours(train, 5);
  // Counts 2, 2, 2, 1, 0. Of the first history, whose root is 2: 01 and 10 next to each other; 02
  // twice, next to each other and two places between them; 12 one place between them.
  const expected = [
    [0, 1, (1 + 1) / 2 / 2],
    [0, 2, (1 + 0.64) / 2 / 2],
    [1, 2, (0.8 / 2 + 1 / Math.SQRT2) / 2],
  ] as const;
  for (const [i, j, value] of expected) {
    expect(valueAt(k, i, j)).toBeCloseTo(value, 6);
    expect(valueAt(k, j, i)).toBeCloseTo(value, 6);
  }
  expect(Array.from(k.starts)).toEqual([0, 2, 4, 6, 6, 6]);
});

test("products 11 places apart are a pair, those 12 apart are none", () => {
  const k = itemNeighbours([Int32Array.from({ length: 13 }, (_, i) => i)], 13);
  expect(valueAt(k, 0, 11)).toBeCloseTo(0.8 ** 10 / Math.sqrt(13), 8);
  expect(valueAt(k, 0, 12)).toBe(0);
});

test("a row has the 50 largest, of equal ones those of lower number", () => {
  // Product 0 was had with 1 to 60 once each, with 58 and 60 twice.
  const train = Array.from({ length: 60 }, (_, i) => Int32Array.of(0, i + 1));
  train.push(Int32Array.of(58, 0), Int32Array.of(60, 0));
  const { columns, starts } = itemNeighbours(train, 61);
  const neighbours = Array.from(columns.subarray(starts[0], starts[1]));
  expect(neighbours).toEqual([...Array.from({ length: 48 }, (_, i) => i + 1), 58, 60]);
});

test("a bundle carries the same numbers under the products' ids", () => {
  const k = itemNeighbours([Int32Array.of(0, 1, 2), Int32Array.of(2, 0)], 4);
  const ids = ["a", "b", "c", "d"];
  const byId = neighboursById(carriedNeighbours(k, ids));
  const byNumber = neighboursIn(k);
  for (const [item, id] of ids.entries()) {
    const named = Array.from(byNumber(item)!, ([other, weight]) => [ids[other], weight]);
    expect(byId(id)).toEqual(named);
  }
  expect(byNumber(3)).toEqual([]);
  expect(Array.from(byNumber(0)!)).toHaveLength(2);
});
