import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { csrTimesCsr, csrTimesDense, incidence, scaleCsr, transposeCsr } from "./csr.js";
import type { Csr } from "./csr.js";
import { matmul } from "./gemm.js";
import { besideRows, gatherRows, normaliseRows } from "./rows.js";
import { spdInverse } from "./spd-inverse.js";
import { gram, rightSvd } from "./svd.js";
import { symmetricEigen } from "./symmetric-eigen.js";
import { principalDirections, whitening } from "./whitening.js";

const uniform = mulberry32(11);
const random = (rows: number, cols: number): Matrix =>
  matrix(rows, cols, randomVector(uniform, rows * cols));

function sparse(m: Matrix): Csr {
  const lists = Array.from({ length: m.rows }, () =>
    Int32Array.from({ length: m.cols }, (_, j) => j),
  );
  return { ...incidence(lists, m.cols), values: Float64Array.from(m.data) };
}

function expectClose(got: Iterable<number>, expected: Iterable<number>, tolerance = 1e-5): void {
  const [a, b] = [Array.from(got), Array.from(expected)];
  expect(a.length).toBe(b.length);
  const worst = a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
  expect(worst).toBeLessThan(tolerance);
}

const identityOf = (n: number): number[] =>
  Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));

describe("symmetricEigen", () => {
  test("a matrix worked by hand: [[2, 1], [1, 2]] has 3 along (1, 1) and 1 across", () => {
    const { values, vectors } = symmetricEigen([Float64Array.of(2, 1), Float64Array.of(1, 2)]);
    expectClose(values, [3, 1], 1e-12);
    expectClose(vectors[0]!.map(Math.abs), [Math.SQRT1_2, Math.SQRT1_2], 1e-12);
    expect(vectors[1]![0]! * vectors[1]![1]!).toBeCloseTo(-0.5, 12);
  });

  test.each([1, 2, 3, 10, 61])("%d rows: A v = l v, vectors orthonormal, values falling", (n) => {
    const b = random(n, n);
    const a = gram(b).map((row, i) => row.map((x, j) => x - (i === j ? n : 0)));
    const { values, vectors } = symmetricEigen(a);
    for (const [k, v] of vectors.entries()) {
      const image = a.map((row) => row.reduce((sum, x, j) => sum + x * v[j]!, 0));
      expectClose(
        image,
        v.map((x) => x * values[k]!),
        1e-9 * n * n,
      );
    }
    const inner = vectors.flatMap((v) =>
      vectors.map((w) => v.reduce((s, x, j) => s + x * w[j]!, 0)),
    );
    expectClose(inner, identityOf(n), 1e-11);
    expect(Array.from(values)).toEqual(Array.from(values).sort((x, y) => y - x));
  });

  test("equal and zero eigenvalues are found", () => {
    const { values } = symmetricEigen(
      [2, 2, 0, 0].map((x, i) => Float64Array.from({ length: 4 }, (_, j) => (i === j ? x : 0))),
    );
    expectClose(values, [2, 2, 0, 0], 1e-15);
  });

  test("what is not finite or not square is refused", () => {
    expect(() => symmetricEigen([Float64Array.of(Number.NaN)])).toThrow("finite");
    expect(() => symmetricEigen([Float64Array.of(1, 2)])).toThrow("1 finite rows of 1");
  });
});

describe("rightSvd", () => {
  test("planted singular values and vectors are recovered", () => {
    const u = principalDirections(random(60, 60), 4);
    const v = principalDirections(random(30, 30), 4);
    const planted = [9, 5, 2, 0.5];
    const a = matrix(60, 30);
    for (const [k, s] of planted.entries()) {
      for (let i = 0; i < 60; i += 1) {
        for (let j = 0; j < 30; j += 1) {
          a.data[i * 30 + j]! += s * u.data[k * 60 + i]! * v.data[k * 30 + j]!;
        }
      }
    }
    const { values, right } = rightSvd(sparse(a), 3, 1);
    expectClose(values, planted.slice(0, 3), 1e-4);
    const overlap = matmul(v, right);
    for (let k = 0; k < 3; k += 1) expect(Math.abs(overlap.data[k * 3 + k]!)).toBeCloseTo(1, 4);
  });

  test("the same seed gives the same bits", () => {
    const a = sparse(random(20, 15));
    expect(Array.from(rightSvd(a, 5, 3).right.data)).toEqual(
      Array.from(rightSvd(a, 5, 3).right.data),
    );
  });

  test("a rank beyond the sides is refused", () => {
    expect(() => rightSvd(sparse(random(4, 6)), 5, 1)).toThrow("rank from 1 to 4");
  });
});

describe("whitening", () => {
  test("whitened rows have mean 0 and the identity as covariance", () => {
    const rows = matmul(random(300, 6), random(6, 6));
    for (let i = 0; i < rows.data.length; i += 6) rows.data[i]! += 50;
    const { centre, weight } = whitening(rows, 4);
    const shifted = matrix(
      300,
      6,
      rows.data.map((x, i) => x - centre[i % 6]!),
    );
    const white = matmul(shifted, weight, { transposeB: true });
    expectClose(
      gram(white).flatMap((row) => Array.from(row, (x) => x / 300)),
      identityOf(4),
      1e-3,
    );
  });

  test("directions in which no row differs are dropped, and no difference at all is refused", () => {
    const flat = matrix(
      50,
      3,
      Float32Array.from({ length: 150 }, (_, i) => (i % 3 === 0 ? i : 7)),
    );
    expect(whitening(flat, 3).weight.rows).toBe(1);
    expect(() => whitening(matrix(4, 2), 2)).toThrow("no row differs");
  });
});

describe("spdInverse", () => {
  test.each([1, 5, 96, 97, 230])(
    "A times the inverse of a matrix of %d rows is the identity",
    (n) => {
      const a = random(n, 2 * n);
      const square = matmul(a, a, { transposeB: true });
      for (let i = 0; i < n; i += 1) square.data[i * (n + 1)]! += n;
      expectClose(matmul(square, spdInverse(square)).data, identityOf(n), 1e-4);
    },
  );

  test("a matrix that is not positive definite is refused", () => {
    expect(() => spdInverse(matrix(2, 2, Float32Array.of(1, 2, 2, 1)))).toThrow(
      "positive definite",
    );
  });
});

describe("sparse matrices", () => {
  const a = incidence([Int32Array.of(2, 0, 2), Int32Array.of(), Int32Array.of(1)], 3);

  test("an incidence counts a pair once and keeps empty rows", () => {
    expect(Array.from(a.starts)).toEqual([0, 2, 2, 3]);
    expect(Array.from(a.columns)).toEqual([0, 2, 1]);
  });

  test("transposed twice is the same", () => {
    const twice = transposeCsr(transposeCsr(a));
    expect(Array.from(twice.columns)).toEqual(Array.from(a.columns));
    expect(Array.from(twice.starts)).toEqual(Array.from(a.starts));
  });

  test("products and scaling by hand", () => {
    const scaled = scaleCsr(a, Float64Array.of(2, 1, 3), Float64Array.of(1, 10, 100));
    expect(Array.from(scaled.values)).toEqual([2, 200, 30]);
    const dense = matrix(3, 1, Float32Array.of(1, 2, 3));
    expect(Array.from(csrTimesDense(a, dense).data)).toEqual([4, 0, 2]);
    const gramian = csrTimesCsr(transposeCsr(a), a);
    expect(Array.from(gramian.starts)).toEqual([0, 2, 3, 5]);
    expect(Array.from(gramian.columns)).toEqual([0, 2, 1, 0, 2]);
    expect(Array.from(gramian.values)).toEqual([1, 1, 1, 1, 1]);
  });
});

describe("rows", () => {
  const m = matrix(2, 2, Float32Array.of(3, 4, 0, 0));

  test("rows are normalised and a zero row stays zero", () => {
    expectClose(normaliseRows(m).data, [0.6, 0.8, 0, 0]);
  });

  test("rows are gathered by number and set side by side", () => {
    expect(Array.from(gatherRows(m, [1, 0, 0]).data)).toEqual([0, 0, 3, 4, 3, 4]);
    expect(Array.from(besideRows(m, m).data)).toEqual([3, 4, 3, 4, 0, 0, 0, 0]);
    expect(() => besideRows(m, matrix(1, 2))).toThrow("2 and 1 rows");
  });
});
