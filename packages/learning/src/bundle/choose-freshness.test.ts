import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { preparedWithText } from "../../test/prepared.js";
import { trainedBundle } from "../../test/trained.js";
import { countItems } from "../dataset/dataset.js";
import { normaliseRows } from "../linear-algebra/rows.js";
import { chooseFreshness } from "./choose-freshness.js";
import type { Prepared } from "../representation/prepare.js";

const ITEMS = 30;
const USERS = 60;
const DAY_MS = 86_400_000;
const NOW_MS = 1_000 * DAY_MS;
const uniform = mulberry32(5);
const vectors = normaliseRows(matrix(ITEMS, 6, randomVector(uniform, ITEMS * 6)));
const text = matrix(ITEMS, 6, randomVector(uniform, ITEMS * 6));
const train = Array.from({ length: USERS }, () =>
  Int32Array.from({ length: 3 }, () => Math.floor(uniform() * ITEMS)),
);
/** Product i has been there for i days. */
const availableFromMs = Float64Array.from({ length: ITEMS }, (_, i) => NOW_MS - i * DAY_MS);
const evaluatedAt = new Float64Array(USERS).fill(NOW_MS);
const dates = { availableFromMs, evaluatedAtMs: { valid: evaluatedAt, test: evaluatedAt } };

function preparedWith(valid: readonly Int32Array[], known = true): Prepared {
  const dataset = {
    name: "dated",
    itemIds: Array.from({ length: ITEMS }, (_, i) => String(i)),
    ordered: true,
    splits: { train, valid, test: valid, testHistory: "train" },
    ...(known && { dates }),
  } as const;
  return preparedWithText(dataset, text, countItems(train, ITEMS));
}

async function chosen(prepared: Prepared) {
  const ranking = { decay: 0.7, popularity: 0 };
  return chooseFreshness(prepared, await trainedBundle(prepared, vectors, ranking));
}

describe("freshness has the weight that the validation part gives it:", () => {
  test("much where people take what is new", async () => {
    const newest = train.map((_, user) => Int32Array.of(user % 3));
    const { weight, halfLifeMs } = (await chosen(preparedWith(newest)))!;
    expect(weight).toBeGreaterThanOrEqual(0.1);
    expect(halfLifeMs).toBe(7 * DAY_MS);
  });

  test("none where they take what is old", async () => {
    const oldest = train.map((_, user) => Int32Array.of(ITEMS - 1 - (user % 3)));
    expect(await chosen(preparedWith(oldest))).toMatchObject({ weight: 0 });
  });

  test("none is chosen where nobody knows when products came", async () => {
    const newest = train.map(() => Int32Array.of(0));
    expect(await chosen(preparedWith(newest, false))).toBeUndefined();
  });
});
