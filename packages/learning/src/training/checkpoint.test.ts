import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { temporaryFolder } from "@marquetry/testing/folders";
import { normaliseRows } from "../linear-algebra/rows.js";
import { openCheckpoint } from "./checkpoint.js";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { trainEpochs } from "./train.js";
import type { TrainedEpoch, TrainingState } from "./epochs.js";
import type { TrainSettings } from "./train.js";

const ITEMS = 12;
const text = normaliseRows(matrix(ITEMS, 4, randomVector(mulberry32(2), ITEMS * 4)));
const shape = {
  items: ITEMS,
  dims: 6,
  content: { text },
  known: new Uint8Array(ITEMS).fill(1),
  scorer: "linear",
} as const;
const train = Array.from({ length: 40 }, (_, user) =>
  Int32Array.from({ length: 4 }, (__, t) => (user + t * (1 + (user % 3))) % ITEMS),
);
const settings: TrainSettings = {
  examples: { ordered: false, batchRows: 32 },
  epochs: 5,
  temperature: 0.2,
  rate: 0.02,
  projectionRate: 0.01,
  recencyRate: 0,
  dropout: { [COLLABORATIVE]: 0.3 },
  tableScale: 0.1,
  decay: 1,
  seed: 3,
};
const run = { data: "some", settings };

function* epochs(from?: TrainingState): Generator<TrainedEpoch> {
  yield* trainEpochs(shape, train, settings, { state: from });
}

function bitsOf(report: TrainedEpoch): string {
  return Buffer.from(report.vectors.data.buffer).toString("hex");
}

const progressOf = ({ state, vectors }: TrainedEpoch, ndcg: number) => ({
  state,
  best: { ndcg, vectors, parameters: state.parameters },
});

describe("a checkpoint", () => {
  test("an interrupted run that goes on ends as one that was not, to the bit", async () => {
    const whole = [...epochs()].map(bitsOf);
    for (const stopAfter of [1, 3, 4]) {
      await using folder = await temporaryFolder();
      const { directory } = folder;
      const interrupted = epochs();
      for (let epoch = 1; epoch <= stopAfter; epoch += 1) {
        openCheckpoint(directory, "a", run).write(
          progressOf(interrupted.next().value as TrainedEpoch, epoch),
        );
      }
      const read = openCheckpoint(directory, "a", run).read()!;
      expect(read.best.ndcg).toBe(stopAfter);
      const rest = [...epochs(read.state)];
      expect(rest.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5].slice(stopAfter));
      expect(rest.map(bitsOf)).toEqual(whole.slice(stopAfter));
    }
  });

  test("there is none at first, and only the last one stays", async () => {
    await using folder = await temporaryFolder();
    const { directory } = folder;
    const checkpoint = openCheckpoint(directory, "a", run);
    expect(checkpoint.read()).toBeUndefined();
    for (const report of epochs()) checkpoint.write(progressOf(report, 0.1));
    expect((await readdir(directory)).sort()).toEqual(["a.5.safetensors", "a.json"]);
  });

  test("that of other data or settings is refused", async () => {
    await using folder = await temporaryFolder();
    const { directory } = folder;
    openCheckpoint(directory, "a", run).write(progressOf(epochs().next().value as TrainedEpoch, 0));
    const other = openCheckpoint(directory, "a", { ...run, data: "other" });
    expect(() => other.read()).toThrow("a.json: expected a checkpoint of this data");
  });

  test.each([
    ["{", "a.json: expected a checkpoint in JSON"],
    ["{}", "a.json: run: "],
  ])("one that says %s is refused by the file's name", async (content, message) => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.directory, "a.json"), content);
    expect(() => openCheckpoint(folder.directory, "a", run).read()).toThrow(message);
  });

  test("one whose tensors are gone is refused", async () => {
    await using folder = await temporaryFolder();
    const checkpoint = openCheckpoint(folder.directory, "a", run);
    checkpoint.write(progressOf(epochs().next().value as TrainedEpoch, 0));
    await rm(join(folder.directory, "a.1.safetensors"));
    expect(() => checkpoint.read()).toThrow("a.1.safetensors: expected sha256");
  });

  test("a damaged one is refused", async () => {
    await using folder = await temporaryFolder();
    const { directory } = folder;
    const checkpoint = openCheckpoint(directory, "a", run);
    checkpoint.write(progressOf(epochs().next().value as TrainedEpoch, 0));
    const file = join(directory, "a.1.safetensors");
    const bytes = await readFile(file);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file, bytes);
    expect(() => checkpoint.read()).toThrow("a.1.safetensors: expected sha256");
  });
});
