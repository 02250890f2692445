import { describe, expect, test } from "@jest/globals";
import { assertMatrix, identity, matVec, matrix, transpose } from "./matrix.js";

const v = (...elements: number[]): Float32Array => new Float32Array(elements);
const m = matrix(2, 3, v(1, 2, 3, 4, 5, 6));

describe("matrices", () => {
  test("products give the values computed by hand", () => {
    expect(Array.from(matVec(m, v(1, 0, -1)))).toEqual([-2, -2]);
    expect(Array.from(matVec(transpose(m), v(1, -1)))).toEqual([-3, -3, -3]);
  });

  test("the transpose has rows for columns", () => {
    expect(Array.from(transpose(m).data)).toEqual([1, 4, 2, 5, 3, 6]);
  });

  test("the identity changes nothing", () => {
    expect(Array.from(matVec(identity(3), v(7, 8, 9)))).toEqual([7, 8, 9]);
  });

  test("sums are kept in double precision", () => {
    const wide = matrix(1, 3, v(2 ** 24, 1, 1));
    expect(matVec(wide, v(1, 1, 1))[0]).toBe(2 ** 24 + 2);
  });

  test("shapes that do not agree are refused", () => {
    expect(() => matVec(m, v(1, 2))).toThrow("2 x 3 cannot take 2 dimensions");
    expect(() => matVec(transpose(m), v(1, 2, 3))).toThrow("cannot take 3 dimensions");
    expect(() => matrix(2, 2, v(1, 2, 3))).toThrow("2 x 2 does not hold 3 values");
    expect(() => assertMatrix({ rows: 0, cols: 2, data: v() }, "W_q")).toThrow("W_q: sides");
  });
});
