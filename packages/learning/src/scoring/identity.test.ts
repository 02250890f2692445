import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { identityGain, withIdentity } from "../sequence/identity.js";
import { pooledScorer } from "./pooled.js";

const ITEMS = 50;
const DIMS = 64;
const identity = { dims: 32, length: 0.6, suppression: 1.2 };
const uniform = mulberry32(3);
const vectors = normaliseRows(matrix(ITEMS, DIMS, randomVector(uniform, ITEMS * DIMS)));
// Products 0 and 1 are alike.
rowOf(vectors, 1).set(rowOf(vectors, 0));

describe("repeat suppression by an item-identity code", () => {
  const coded = withIdentity(vectors, identity);

  test("reversed in the interest, it puts a neighbour before what the user just had", () => {
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
