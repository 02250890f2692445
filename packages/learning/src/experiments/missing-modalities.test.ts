import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { prepareContent, whiteningOfZero } from "../representation/content.js";
import { fullPresence } from "../training/item-tower.js";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { nameOf, startParameters } from "../training/parameters.js";
import type { TowerShape } from "../training/parameters.js";
import {
  maskedVectors,
  removals,
  removedAtRandom,
  removedFromAll,
  zeroFilledVectors,
} from "./missing-modalities.js";

const ITEMS = 6;
const uniform = mulberry32(4);
const shape: TowerShape = {
  items: ITEMS,
  dims: 4,
  content: { text: normaliseRows(matrix(ITEMS, 3, randomVector(uniform, ITEMS * 3))) },
  known: new Uint8Array(ITEMS).fill(1),
  scorer: "linear",
};
const parameters = startParameters(shape, { seed: 1, tableScale: 1, recency: 0 });
const presence = fullPresence(shape);
const table = matrix(ITEMS, 4, parameters[nameOf.table]);
const zeros = { text: Float32Array.of(0, 0.6, 0.8) };

describe("missing modalities", () => {
  test("every choice that leaves one: none first, never all", () => {
    expect(removals(["a", "b"])).toEqual([[], ["a"], ["b"]]);
    expect(removals(["a", "b", "c"])).toHaveLength(7);
  });

  test("a share of the products loses one at random, the same ones for the same seed", () => {
    const { text } = removedAtRandom(1000, "text", 0.3, 5);
    expect(text!.reduce((sum, x) => sum + x, 0)).toBeGreaterThan(250);
    expect(text!.reduce((sum, x) => sum + x, 0)).toBeLessThan(350);
    expect(removedAtRandom(1000, "text", 0.3, 5)["text"]).toEqual(text);
  });

  test("a masked modality leaves the others as if it had never been", () => {
    const vectors = maskedVectors(shape, parameters, presence, removedFromAll(ITEMS, ["text"]));
    const alone = normaliseRows(table);
    vectors.data.forEach((x, i) => expect(x).toBeCloseTo(alone.data[i]!, 6));
  });

  test("zeros take the weight of a present modality: the products move towards one another", () => {
    const gone = removedFromAll(ITEMS, ["text"]);
    const vectors = zeroFilledVectors(shape, parameters, presence, gone, zeros);
    // Weights are equal at the start: v = norm(W' zero / 2 + z / 2).
    const row = rowOf(table, 2).map((x, j) => x + [0, 0.6, 0.8, 0][j]!);
    const length = Math.hypot(...row);
    rowOf(vectors, 2).forEach((x, j) => expect(x).toBeCloseTo(row[j]! / length, 6));
    const collaborative = removedFromAll(ITEMS, [COLLABORATIVE]);
    const text = zeroFilledVectors(shape, parameters, presence, collaborative, zeros);
    expect(rowOf(text, 0)[3]).toBeCloseTo(0, 6);
    expect(Array.from(parameters[nameOf.table]!)).toEqual(Array.from(table.data));
  });

  test("zeros before whitening are the direction away from the mean", () => {
    const vectors = matrix(20, 3, randomVector(mulberry32(2), 60));
    for (let i = 0; i < 20; i += 1) vectors.data[3 * i]! += 5;
    const { whitening } = prepareContent(vectors, 3);
    const zero = whiteningOfZero(whitening);
    const expected = Array.from({ length: 3 }, (_, k) =>
      rowOf(whitening.weight, k).reduce((sum, w, j) => sum - w * whitening.centre[j]!, 0),
    );
    expected.forEach((x, k) => expect(zero[k]).toBeCloseTo(x / Math.hypot(...expected), 5));
  });
});
