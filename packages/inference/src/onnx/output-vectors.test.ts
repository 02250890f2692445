import { describe, expect, test } from "@jest/globals";

import {
  relativeDeviation,
  rowVectors,
  scaleToUnitLength,
  tokenVectors,
} from "./output-vectors.js";

/** Two rows of three tokens of two dims; the second row has one token of padding. */
const output = {
  data: Float32Array.from([1, 2, 3, 4, 5, 9, 7, 8, 1, 2, 99, 99]),
  dims: [2, 3, 2],
};

describe("pooling", () => {
  test("the mean leaves padding out", () => {
    const vectors = tokenVectors(output, [3, 2], 3, 2, "mean");
    expect(vectors.map((vector) => Array.from(vector))).toEqual([
      [3, 5],
      [4, 5],
    ]);
  });

  test("cls takes the first token", () => {
    const vectors = tokenVectors(output, [3, 2], 3, 2, "cls");
    expect(vectors.map((vector) => Array.from(vector))).toEqual([
      [1, 2],
      [7, 8],
    ]);
  });

  test("rows are copies, so that each can be moved to another thread", () => {
    const vectors = rowVectors({ data: output.data, dims: [4, 3] }, 4, 3);
    expect(vectors.map((vector) => vector.buffer.byteLength)).toEqual([12, 12, 12, 12]);
    expect(Array.from(vectors[3]!)).toEqual([2, 99, 99]);
  });

  test("other dimensions than expected are named", () => {
    expect(() => rowVectors(output, 2, 2)).toThrow("the output is [2, 3, 2]; expected [2, 2]");
    expect(() => tokenVectors(output, [3, 2], 3, 4, "mean")).toThrow("expected [2, 3, 4]");
  });
});

describe("normalise", () => {
  test("gives length 1 to what has a direction and says when there is none", () => {
    const vector = Float32Array.from([3, 4]);
    expect(scaleToUnitLength(vector)).toBe(true);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
    for (const none of [
      [0, 0],
      [Number.NaN, 1],
      [Infinity, 1],
    ]) {
      expect(scaleToUnitLength(Float32Array.from(none))).toBe(false);
    }
  });

  test("deviation is relative to the first vector's length", () => {
    const a = Float32Array.from([30, 40]);
    expect(relativeDeviation(a, Float32Array.from([30, 45]))).toBeCloseTo(0.1, 6);
    expect(relativeDeviation(a, a)).toBe(0);
  });
});
