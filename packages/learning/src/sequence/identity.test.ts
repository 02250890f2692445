import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { pooledScorer } from "../scoring/pooled.js";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { identityGain, withIdentity } from "./identity.js";

const ITEMS = 50;
const DIMS = 64;
const identity = { dims: 32, length: 0.6, suppression: 1.2 };
const uniform = mulberry32(3);
const vectors = normaliseRows(matrix(ITEMS, DIMS, randomVector(uniform, ITEMS * DIMS)));
// Products 0 and 1 are alike.
rowOf(vectors, 1).set(rowOf(vectors, 0));

describe("a code of the product's own", () => {
  const coded = withIdentity(vectors, identity);

  test("takes its share of a length of 1 and leaves the direction of the rest", () => {
    const row = rowOf(coded, 7);
    const lengthOf = (part: Float32Array): number => Math.hypot(...part);
    expect(lengthOf(row)).toBeCloseTo(1, 6);
    expect(lengthOf(row.subarray(32))).toBeCloseTo(0.6, 6);
    const before = rowOf(vectors, 7).subarray(0, 32);
    const cosine = before.reduce((sum, x, j) => sum + x * row[j]!, 0) / (lengthOf(before) * 0.8);
    expect(cosine).toBeCloseTo(1, 5);
  });

  test("turned around in the interest, it puts a neighbour before what the user just had", () => {
    const scoresOf = (suppression: number): Float32Array =>
      pooledScorer({
        vectors: coded,
        histories: [Int32Array.of(0)],
        decay: 0.6,
        prior: new Float64Array(ITEMS),
        gain: identityGain(DIMS, { ...identity, suppression }),
      })(Int32Array.of(0)).data;
    const [plain, suppressed] = [scoresOf(0), scoresOf(identity.suppression)];
    expect(plain[0]).toBeCloseTo(plain[1]!, 5);
    expect(suppressed[1]).toBeGreaterThan(suppressed[0]! + 0.2);
    // Still the nearest of all others.
    expect(suppressed.indexOf(Math.max(...suppressed))).toBe(1);
  });
});
