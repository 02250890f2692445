/** What the trainer measures is what the services serve, on 1,000 users of public data. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { trainedBundle } from "@marquetry/trainer/bundle/trained-bundle";
import { readTrainerConfig } from "@marquetry/trainer/config";
import { besideRows, normaliseRows } from "@marquetry/trainer/linear-algebra/rows";
import { prepare } from "@marquetry/trainer/recipe/prepare";
import { behaviourRows } from "@marquetry/trainer/representation/behaviour";
import { consumersSettled } from "../bench/parity/consumers.js";
import { measureParity } from "../bench/parity/parity.js";
import type { Parity } from "../bench/parity/parity.js";
import type { Platform } from "../src/platform.js";
import { dataDirectory, endJourney, startJourney } from "./journey.js";

const USERS = 1_000;
const RANK = 32;
const RANKING = { decay: 1, popularity: 0.02 };
const MS_MAX = 180_000;
const directory = dataDirectory("tiktok-diffmm");

(directory === undefined ? describe.skip : describe)("serving parity", () => {
  let platform: Platform;
  let parity: Parity;

  beforeAll(async () => {
    const prepared = await prepare(directory!, {
      ...readTrainerConfig(),
      textEncoder: "none",
      imageEncoder: "none",
      report: () => {},
    });
    // Small, and in closed form: nothing here depends on how the vectors were learned.
    const { dataset, content } = prepared;
    const behaviour = behaviourRows(dataset.splits.train, dataset.itemIds.length, RANK, 1);
    const vectors = normaliseRows(besideRows(content["image"]!, behaviour));
    const folder = await trainedBundle(prepared, vectors, RANKING, "a test");
    platform = await startJourney({}, {}, folder.bundle);
    parity = await measureParity({
      prepared,
      folder,
      platform,
      usersMax: USERS,
      masked: true,
      settled: () => consumersSettled(platform),
      progress: () => {},
    });
  }, MS_MAX);

  afterAll(async () => {
    if (platform !== undefined) await endJourney(platform);
  });

  test("served figures are the trainer's, far closer than chance could tell apart", () => {
    expect(parity.users).toBe(USERS);
    for (const { served, offline } of parity.figures) {
      expect(offline.value).toBeGreaterThan(0.01);
      expect(Math.abs(served.value - offline.value)).toBeLessThan(offline.standardError / 5);
    }
  });

  test("users are answered with the products that the trainer would name", () => {
    expect(parity.overlap.value).toBeGreaterThan(0.99);
  });
});
