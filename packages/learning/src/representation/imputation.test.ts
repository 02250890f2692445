import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { createImpute } from "./imputation.js";

describe("an imputed collaborative vector", () => {
  const content = matrix(3, 2, Float32Array.of(1, 0, 0.6, 0.8, 0, 1));
  const collaborative = matrix(3, 2, Float32Array.of(0, 1, 1, 0, -1, 0));
  const impute = createImpute({ content, collaborative });

  test("is the mean of its neighbours', weighed by the sixth power of the cosine", () => {
    const [x, y] = impute(matrix(1, 2, Float32Array.of(1, 0))).data;
    expect(x! / y!).toBeCloseTo(0.6 ** 6, 6);
    expect(x! ** 2 + y! ** 2).toBeCloseTo(1, 6);
  });

  test("is zero where nothing is alike", () => {
    expect(Array.from(impute(matrix(1, 2, Float32Array.of(-1, -1))).data)).toEqual([0, 0]);
  });

  test("takes no more than ten neighbours", () => {
    const many = matrix(12, 2);
    const own = matrix(12, 12);
    for (let i = 0; i < 12; i += 1) {
      many.data.set([1, 0], 2 * i);
      own.data[12 * i + i] = 1;
    }
    const row = createImpute({ content: many, collaborative: own })(
      matrix(1, 2, Float32Array.of(1, 0)),
    );
    expect(Array.from(row.data).filter((x) => x > 0)).toHaveLength(10);
  });
});
