import { describe, expect, test } from "@jest/globals";
import { matrix, transpose } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { matmul } from "./gemm.js";

const uniform = mulberry32(5);
const random = (rows: number, cols: number): Matrix =>
  matrix(rows, cols, randomVector(uniform, rows * cols));

/** The definition, in double precision. */
function slowMatmul(a: Matrix, b: Matrix): number[] {
  const result: number[] = [];
  for (let i = 0; i < a.rows; i += 1) {
    for (let j = 0; j < b.cols; j += 1) {
      let sum = 0;
      for (let p = 0; p < a.cols; p += 1) sum += a.data[i * a.cols + p]! * b.data[p * b.cols + j]!;
      result.push(sum);
    }
  }
  return result;
}

function largestDifference(got: Matrix, expected: readonly number[]): number {
  expect(got.data.length).toBe(expected.length);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - got.data[i]!)), 0);
}

describe("matmul", () => {
  test("a product worked by hand", () => {
    const a = matrix(2, 3, Float32Array.of(1, 2, 3, 4, 5, 6));
    const b = matrix(3, 2, Float32Array.of(1, 0, 0, 1, 1, 1));
    expect(Array.from(matmul(a, b).data)).toEqual([4, 5, 10, 11]);
  });

  // Sides around the tile (4, 8) and beyond the blocks (128, 256, 512).
  test.each([
    [1, 1, 1],
    [3, 5, 7],
    [4, 8, 8],
    [5, 9, 17],
    [130, 258, 515],
  ])("%d x %d by %d columns equals the definition, transposed or not", (rows, depth, cols) => {
    const [a, b] = [random(rows, depth), random(depth, cols)];
    const expected = slowMatmul(a, b);
    const tolerance = 2e-6 * depth;
    expect(largestDifference(matmul(a, b), expected)).toBeLessThan(tolerance);
    const [ta, tb] = [transpose(a), transpose(b)];
    expect(largestDifference(matmul(ta, b, { transposeA: true }), expected)).toBeLessThan(
      tolerance,
    );
    expect(largestDifference(matmul(a, tb, { transposeB: true }), expected)).toBeLessThan(
      tolerance,
    );
    const both = matmul(ta, tb, { transposeA: true, transposeB: true });
    expect(largestDifference(both, expected)).toBeLessThan(tolerance);
  });

  test("equal operands give equal bits", () => {
    const [a, b] = [random(40, 300), random(300, 20)];
    expect(Buffer.from(matmul(a, b).data.buffer)).toEqual(Buffer.from(matmul(a, b).data.buffer));
  });

  test("inner sides that differ are refused", () => {
    expect(() => matmul(random(2, 3), random(2, 3))).toThrow("2 x 3 cannot take 2 x 3");
  });
});
