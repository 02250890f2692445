import { describe, expect, test } from "@jest/globals";
import {
  assertFinite,
  cosine,
  dot,
  norm,
  normalise,
  scale,
  vectorFromBytes,
  vectorToBytes,
  weightedSum,
} from "./vector.js";

const v = (...elements: number[]): Float32Array => new Float32Array(elements);

describe("vectors", () => {
  test("dot, norm and cosine give the values computed by hand", () => {
    expect(dot(v(1, 2, 3), v(4, -5, 6))).toBe(12);
    expect(norm(v(3, 4))).toBe(5);
    expect(cosine(v(1, 0), v(1, 1))).toBeCloseTo(Math.SQRT1_2, 12);
    expect(cosine(v(2, 0), v(-7, 0))).toBe(-1);
    expect(Array.from(scale(v(1, -2), 3))).toEqual([3, -6]);
  });

  test("sums are kept in double precision", () => {
    // In float32, 2^24 + 1 is 2^24 again.
    expect(dot(v(2 ** 24, 1, 1), v(1, 1, 1))).toBe(2 ** 24 + 2);
  });

  test("a weighted sum is summed in double precision and refuses other lengths", () => {
    expect(Array.from(weightedSum([v(1, 2), v(10, 20)], [3, 0.5]))).toEqual([8, 16]);
    expect(weightedSum([v(2 ** 24), v(1), v(1)], [1, 1, 1])[0]).toBe(2 ** 24 + 2);
    expect(() => weightedSum([v(1), v(1, 2)], [1, 1])).toThrow("dimensions differ");
    expect(() => weightedSum([v(1)], [1, 1])).toThrow("1 vectors, 2 weights");
  });

  test("normalising gives length one and leaves the input alone", () => {
    const input = v(3, 4);
    const unit = normalise(input);
    expect(unit[0]).toBeCloseTo(0.6, 7);
    expect(unit[1]).toBeCloseTo(0.8, 7);
    expect(Array.from(input)).toEqual([3, 4]);
  });

  test("the zero vector stays zero and has cosine 0 with everything", () => {
    expect(Array.from(normalise(v(0, 0)))).toEqual([0, 0]);
    expect(cosine(v(0, 0), v(1, 2))).toBe(0);
  });

  test("dimension mismatches and non-finite elements are refused", () => {
    expect(() => dot(v(1), v(1, 2))).toThrow("dimensions differ, 1 and 2");
    expect(() => dot(v(Number.NaN), v(1))).toThrow("not a finite number");
    expect(() => norm(v(Infinity))).toThrow("not a finite number");
    expect(() => assertFinite(v(1, Number.NaN), "text")).toThrow("text: element 1 is NaN");
    expect(() => assertFinite(v(1, -2), "text")).not.toThrow();
  });

  test("bytes are little-endian float32 and come back bit for bit", () => {
    expect(Array.from(vectorToBytes(v(1, -2)))).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
    const vector = v(0.1, -0, 1e-40, 3.4e38);
    const back = vectorFromBytes(vectorToBytes(vector));
    expect(Array.from(back, (x) => Object.is(x, -0))).toEqual([false, true, false, false]);
    expect(Array.from(back)).toEqual(Array.from(vector));
  });

  test("bytes are read at any alignment, and a torn vector is refused", () => {
    const padded = new Uint8Array(9);
    padded.set(vectorToBytes(v(1.5, 2.5)), 1);
    expect(Array.from(vectorFromBytes(padded.subarray(1)))).toEqual([1.5, 2.5]);
    expect(() => vectorFromBytes(new Uint8Array(7))).toThrow("7 bytes");
  });
});
