import { describe, expect, test } from "@jest/globals";
import { matVec, transpose } from "./matrix.js";
import type { Matrix } from "./matrix.js";
import { orthogonalProjection } from "./projection.js";
import { mulberry32, randomVector } from "./random.js";
import { cosine, dot, norm, normalise } from "./vector.js";

/** Largest distance of the rows' inner products from those of orthonormal rows. */
function defect(m: Matrix): number {
  let worst = 0;
  const row = (i: number): Float32Array => m.data.slice(i * m.cols, (i + 1) * m.cols);
  for (let i = 0; i < m.rows; i += 1) {
    for (let j = 0; j <= i; j += 1) {
      worst = Math.max(worst, Math.abs(dot(row(i), row(j)) - (i === j ? 1 : 0)));
    }
  }
  return worst;
}

describe("orthogonal projection", () => {
  test("rows are orthonormal towards fewer dimensions, columns towards more", () => {
    const down = orthogonalProjection(60, 24, 5);
    expect([down.rows, down.cols]).toEqual([24, 60]);
    expect(defect(down)).toBeLessThan(1e-6);
    const up = orthogonalProjection(24, 60, 5);
    expect([up.rows, up.cols]).toEqual([60, 24]);
    expect(defect(transpose(up))).toBeLessThan(1e-6);
    expect(defect(orthogonalProjection(32, 32, 9))).toBeLessThan(1e-6);
  });

  test("towards more dimensions lengths and inner products are kept", () => {
    const uniform = mulberry32(11);
    const up = orthogonalProjection(8, 20, 1);
    const [a, b] = [randomVector(uniform, 8), randomVector(uniform, 8)];
    expect(norm(matVec(up, a))).toBeCloseTo(norm(a), 5);
    expect(dot(matVec(up, a), matVec(up, b))).toBeCloseTo(dot(a, b), 5);
  });

  test("the same seed gives the same golden values, another seed others", () => {
    const golden = orthogonalProjection(4, 2, 42);
    expect(Array.from(golden.data)).toEqual(GOLDEN_4_TO_2);
    expect(Array.from(orthogonalProjection(4, 2, 42).data)).toEqual(GOLDEN_4_TO_2);
    expect(Array.from(orthogonalProjection(4, 2, 43).data)).not.toEqual(GOLDEN_4_TO_2);
  });

  test("1280 to 384 is orthonormal, keeps cosines roughly, has golden values, takes under 2 s of work", () => {
    const before = process.cpuUsage();
    const p = orthogonalProjection(1280, 384, 1);
    // Processor time, not wall time: other work on the machine does not count.
    expect(process.cpuUsage(before).user).toBeLessThan(2_000_000);
    expect([p.data[0], p.data[200_000], p.data[491_519]]).toEqual(GOLDEN_1280_TO_384);
    for (const i of [0, 100, 383]) {
      const row = p.data.slice(i * 1280, (i + 1) * 1280);
      expect(norm(row)).toBeCloseTo(1, 6);
      expect(Math.abs(dot(row, p.data.slice(0, 1280)) - (i === 0 ? 1 : 0))).toBeLessThan(1e-6);
    }
    const uniform = mulberry32(2);
    const a = normalise(randomVector(uniform, 1280));
    const near = a.map((x, i) => x + 0.02 * randomVector(uniform, 1)[0]! * (i % 2));
    expect(Math.abs(cosine(matVec(p, a), matVec(p, near)) - cosine(a, near))).toBeLessThan(0.1);
  });

  test("dimensions that are no positive integers are refused", () => {
    expect(() => orthogonalProjection(0, 3, 1)).toThrow("positive integers");
    expect(() => orthogonalProjection(3, 1.5, 1)).toThrow("positive integers");
  });
});

/** Computed once and pinned: a change of these changes every zero-shot bundle. */
const GOLDEN_4_TO_2 = [
  0.339508056640625, -0.5113232135772705, -0.5631131529808044, -0.5533411502838135,
  0.2657676339149475, -0.730853796005249, 0.575709879398346, 0.25254398584365845,
];
const GOLDEN_1280_TO_384 = [0.030248448252677917, 0.02524377964437008, 0.014122650027275085];
