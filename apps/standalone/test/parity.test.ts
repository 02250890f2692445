/** What the trainer measures is what the services serve, on 1,000 users of public data. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { trainedBundle } from "./trained-bundle.js";
import { offlineAnswer } from "@marquetry/learning/experiments/serving-parity";
import { closedForm } from "@marquetry/learning/learn/learn-vectors";
import { prepare } from "@marquetry/learning/representation/prepare";
import type { Prepared } from "@marquetry/learning/representation/prepare";
import { featuresDirectory, modelsDirectory } from "@marquetry/runtime/directories";
import { consumersSettled } from "../bench/parity/consumers.js";
import { measureParity } from "../bench/parity/parity.js";
import type { Parity } from "../bench/parity/parity.js";
import type { Platform } from "../src/platform.js";
import { dataDirectory, endJourney, startJourney } from "./harness.js";

const USERS = 1_000;
const PRODUCTS = 3_500;
const RANK = 32;
const RANKING = { decay: 1, popularity: 0.02 };
/** Weights as they come of a fit: the gateway must re-rank as the trainer does. */
const RERANKER = {
  candidates: 200,
  historyMax: 5,
  features: { popularity: 0.05, own: -0.5, "fused:max": 0.3, "image:last": 0.2, neighbours: 1 },
};
const MS_MAX = 300_000;
const directory = dataDirectory("tiktok-diffmm");

/** The data of the first products alone, which makes everything quicker. */
function withFirstProducts(prepared: Prepared, products: number): Prepared {
  const { dataset, features, content } = prepared;
  const first = (m: Matrix): Matrix => matrix(products, m.cols, m.data.slice(0, products * m.cols));
  const firstOf = (matrices: Readonly<Record<string, Matrix>>): Record<string, Matrix> =>
    Object.fromEntries(Object.entries(matrices).map(([name, m]) => [name, first(m)]));
  const below = (lists: readonly Int32Array[]): Int32Array[] =>
    lists.map((list) => list.filter((item) => item < products));
  const { train, valid, test: last, testHistory } = dataset.splits;
  const splits = { train: below(train), valid: below(valid), test: below(last), testHistory };
  const counts = new Float64Array(products);
  for (const list of splits.train) for (const item of list) counts[item]! += 1;
  return {
    ...prepared,
    dataset: { ...dataset, itemIds: dataset.itemIds.slice(0, products), splits },
    features: firstOf(features),
    content: firstOf(content),
    counts,
  };
}

(directory === undefined ? describe.skip : describe)("serving parity", () => {
  let platform: Platform;
  let parity: Parity;

  beforeAll(async () => {
    const whole = await prepare(directory!, {
      modelsDirectory: modelsDirectory(process.env),
      featuresDirectory: featuresDirectory(process.env),
      textEncoder: "none",
      imageEncoder: "none",
      report: () => {},
    });
    const prepared = withFirstProducts(whole, PRODUCTS);
    // Small, and in closed form: nothing here depends on how the vectors were learned.
    const image = { image: prepared.content["image"]! };
    const vectors = closedForm({ ...prepared, content: image }, RANK);
    // Histories have no order here; taken as they stand, they give neighbours all the same.
    const folder = await trainedBundle(prepared, vectors, RANKING, { reranker: RERANKER });
    const offline = await offlineAnswer({ prepared, folder }, { usersMax: USERS, masked: true });
    platform = await startJourney({}, {}, folder.bundle);
    parity = await measureParity(offline, {
      platform,
      settled: () => consumersSettled(platform),
      progress: () => {},
    });
  }, MS_MAX);

  afterAll(async () => {
    if (platform !== undefined) await endJourney(platform);
  });

  test("served metrics are the trainer's, far closer than chance could tell apart", () => {
    expect(parity.users).toBe(USERS);
    for (const { served, offline } of parity.metrics) {
      expect(offline.value).toBeGreaterThan(0.01);
      expect(Math.abs(served.value - offline.value)).toBeLessThan(offline.standardError / 5);
    }
  });

  test("users are answered with the products that the trainer would name", () => {
    expect(parity.degraded).toBe(0);
    expect(parity.overlap.value).toBeGreaterThan(0.99);
  });
});
