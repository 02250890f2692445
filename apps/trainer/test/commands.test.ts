import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { runEvaluate } from "../src/evaluate.command.js";
import { runTrain } from "../src/train.command.js";
import { trainOptionsOf } from "../src/train.options.js";
import { npy, pairFiles, table } from "@marquetry/testing/dataset-files";
import { temporaryFolder } from "@marquetry/testing/folders";

const ITEMS = 16;
const USERS = 60;

/** Users of two kinds, each with products of its own kind (even or odd numbers). */
function plantedFiles(): Record<string, string | Uint8Array> {
  const uniform = mulberry32(17);
  const lists: Record<"train" | "valid" | "test", string[]> = { train: [], valid: [], test: [] };
  for (let user = 0; user < USERS; user += 1) {
    const own = Array.from({ length: ITEMS / 2 }, (_, i) => 2 * i + (user % 2));
    own.sort(() => uniform() - 0.5);
    for (const [place, item] of own.slice(0, 6).entries()) {
      const part = place < 4 ? "train" : place === 4 ? "valid" : "test";
      lists[part].push(`${user} | ${item}`);
    }
  }
  const image = matrix(ITEMS, 8, randomVector(uniform, ITEMS * 8));
  return {
    "train.tsv": table("user | item", ...lists.train),
    "valid.tsv": table("user | item", ...lists.valid),
    "test.tsv": table("user | item", ...lists.test),
    "image_feat.npy": npy(ITEMS, 8, Array.from(image.data)),
  };
}

/** The same in order of time, as RecBole's files; a product may come again. Default: it may. */
function orderedFiles({ again = true } = {}): Record<string, string | Uint8Array> {
  const uniform = mulberry32(18);
  const inter = (
    part: (own: readonly number[]) => readonly (readonly [string, number])[],
  ): string =>
    table(
      "user_id:token | item_id_list:token_seq | item_id:token",
      ...histories.flatMap((own, user) =>
        part(own).map(([before, target]) => `${user} | ${before} | ${target}`),
      ),
    );
  const histories = Array.from({ length: USERS }, (_, user) => {
    const kind = Array.from({ length: ITEMS / 2 }, (_each, i) => 2 * i + (user % 2));
    if (!again) return kind.sort(() => uniform() - 0.5).slice(0, 6);
    return Array.from({ length: 6 }, () => kind[Math.floor(uniform() * kind.length)]!);
  });
  const step = (own: readonly number[], t: number): readonly [string, number] => [
    own.slice(0, t).join(" "),
    own[t]!,
  ];
  const modalities = { image: { layout: "npy", file: "image.npy" } };
  const files = { train: "train.inter", valid: "valid.inter", test: "test.inter" };
  const interactions = { layout: "sequences", ...files };
  return {
    "dataset.json": JSON.stringify({ name: "ordered", interactions, modalities }),
    [files.train]: inter((own) => [1, 2, 3].map((t) => step(own, t))),
    [files.valid]: inter((own) => [step(own, 4)]),
    [files.test]: inter((own) => [step(own, 5)]),
    "image.npy": npy(ITEMS, 8, Array.from(randomVector(uniform, ITEMS * 8))),
  };
}

function captured() {
  const out: string[] = [];
  const err: string[] = [];
  return {
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
    out: () => out.join(""),
    err: () => err.join(""),
  };
}

interface NamedMetric {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: number | null;
  readonly holds: boolean | null;
}

async function metricsOf(args: readonly string[]): Promise<Map<string, NamedMetric>> {
  const output = captured();
  await runEvaluate([...args, "--json"], output);
  const metrics = output
    .out()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as NamedMetric);
  return new Map(metrics.map((metric) => [metric.name.replace(/^[^/]*\//, ""), metric]));
}

/** Expects the metrics of the training's report; NDCG at 10, unmasked, of the bundle and of popularity. */
async function ranksAsTrained(dataset: string, folder: string, id: string) {
  const report = JSON.parse(await readFile(join(folder, "report.json"), "utf8"));
  const metrics = await metricsOf(["--dataset", dataset, "--bundle", folder]);
  const ndcg = (method: string): number => metrics.get(`${method}/unmasked/ndcg@10`)!.value;
  expect(ndcg(id)).toBeCloseTo(report.test[0].runs[0][0].ndcg.value, 12);
  return { bundle: ndcg(id), popularity: ndcg("popularity") };
}

describe("train and evaluate", () => {
  test("a trained bundle finds the planted kinds, and ranks as it did when it was trained", async () => {
    await using data = await temporaryFolder(plantedFiles());
    const out = join(data.directory, "bundle");
    const output = captured();
    await runTrain(["--dataset", data.directory, "--out", out], output);
    const [id] = output.out().split("\t");
    const report = JSON.parse(await readFile(join(out, "report.json"), "utf8"));
    const metrics = await metricsOf(["--dataset", data.directory, "--bundle", out]);
    const recall = metrics.get(`${id}/masked/recall@10`)!.value;
    expect(recall).toBeCloseTo(report.test[0].runs[0][0].recall.value, 12);
    const ndcg = (method: string): number => metrics.get(`${method}/masked/ndcg@10`)!.value;
    expect(ndcg(id!)).toBeGreaterThan(ndcg("popularity") + 0.1);
    expect([...metrics.values()].every(({ goal, holds }) => goal === null && holds === null)).toBe(
      true,
    );
  }, 60_000);

  test("a bundle with a sequence model carries its graph, and ranks as when it was trained", async () => {
    await using data = await temporaryFolder(orderedFiles());
    const out = join(data.directory, "bundle");
    const output = captured();
    const options = ["--dataset", data.directory, "--interests", "sequence"];
    const checkpoint = ["--checkpoint", join(data.directory, "checkpoint")];
    await runTrain([...options, ...checkpoint, "--out", out], output);
    const [id] = output.out().split("\t");
    const manifest = JSON.parse(await readFile(join(out, "manifest.json"), "utf8"));
    const { length } = await readFile(join(out, "interests.onnx"));
    expect(manifest.interests).toMatchObject({ strategy: "sequence", graph: { bytes: length } });
    const { bundle, popularity } = await ranksAsTrained(data.directory, out, id!);
    expect(bundle).toBeGreaterThan(popularity + 0.05);

    const again = captured();
    await runTrain([...options, ...checkpoint, "--out", join(data.directory, "again")], again);
    expect(again.out()).toContain(`${id}\t`);
    expect(again.err()).toMatch(/, seed 100: goes on after epoch \d/);
    expect(again.err()).toMatch(/, sequence, seed 1: goes on after epoch 3/);
    expect(again.err()).not.toMatch(/: epoch \d/);
  }, 60_000);

  test("interests weighed by attention are learned, written, and rank as when they were trained", async () => {
    await using data = await temporaryFolder(orderedFiles());
    const out = join(data.directory, "bundle");
    const options = ["--dataset", data.directory, "--out", out, "--interests", "attention"];
    await expect(runTrain(options, captured())).rejects.toThrow("expected --fusion attention");
    const output = captured();
    await runTrain([...options, "--fusion", "attention"], output);
    const [id] = output.out().split("\t");
    const { interests } = JSON.parse(await readFile(join(out, "manifest.json"), "utf8"));
    expect(interests).toMatchObject({ strategy: "attention", contentScoring: true });
    const { bundle, popularity } = await ranksAsTrained(data.directory, out, id!);
    expect(bundle).toBeGreaterThan(popularity + 0.05);
  }, 60_000);

  test("where nobody has a product twice, a re-ranker that knows it is trained, written and used", async () => {
    await using data = await temporaryFolder(orderedFiles({ again: false }));
    const out = join(data.directory, "bundle");
    const output = captured();
    await runTrain(["--dataset", data.directory, "--out", out], output);
    const [id] = output.out().split("\t");
    const manifest = await readFile(join(out, "manifest.json"), "utf8");
    const { reranker, neighbours, training } = JSON.parse(manifest);
    expect(reranker.features.own).toBeLessThan(0);
    expect(reranker.features.neighbours).not.toBe(0);
    expect(neighbours).toMatchObject({ weights: "neighbours.weights" });
    const report = JSON.parse(await readFile(join(out, "report.json"), "utf8"));
    expect(report.reranker.ndcg).toBeGreaterThan(report.reranker.baseNdcg);
    const { bundle, popularity } = await ranksAsTrained(data.directory, out, id!);
    expect(training.interactionsSha256).toBe(report.interactionsSha256);
    expect(training.metrics["unmasked/ndcg@10"].bundle).toBeCloseTo(bundle, 12);
    expect(training.metrics["unmasked/ndcg@10"].popularity).toBeCloseTo(popularity, 12);
    const printed = (method: string) => output.err().match(new RegExp(`^\\| ${method} .*`, "gm"));
    expect(printed("popularity")).toHaveLength(printed("the bundle")!.length);
    expect(printed("the bundle")![0]).toContain(` ${bundle.toFixed(4).slice(1)} ± `);
    expect(bundle).toBeGreaterThan(popularity + 0.1);
  }, 60_000);

  test("a checkpoint of other data ends training with its file's name, and leaves no bundle", async () => {
    await using data = await temporaryFolder(orderedFiles());
    await using other = await temporaryFolder(orderedFiles({ again: false }));
    const checkpoint = ["--checkpoint", join(data.directory, "checkpoint")];
    const train = (from: string, out: string) =>
      runTrain(["--dataset", from, "--out", out, ...checkpoint], captured());
    await train(data.directory, join(data.directory, "bundle"));
    await expect(train(other.directory, join(other.directory, "bundle"))).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringMatching(/seed-10[01]\.json: expected a checkpoint of this data/),
    });
    expect(await readdir(other.directory)).not.toContain("bundle");
  }, 60_000);

  test("a sequence model is refused for data without order, before anything is trained", async () => {
    await using data = await temporaryFolder(pairFiles());
    const out = join(data.directory, "bundle");
    const args = ["--dataset", data.directory, "--out", out, "--interests", "sequence"];
    await expect(runTrain(args, captured())).rejects.toThrow("expected data in order of time");
    expect(await readdir(data.directory)).not.toContain("bundle");
  });

  test("a report has the requested methods and curves, always with popularity", async () => {
    await using data = await temporaryFolder(plantedFiles());
    const report = join(data.directory, "quality");
    const output = captured();
    const options = ["--methods", "content", "--curves", "cold-users", "--seeds", "0"];
    await runEvaluate(["--dataset", data.directory, ...options, "--report", report], output);
    const name = (await readdir(report)).find((file) => file.endsWith(".md"));
    const text = await readFile(join(report, name!), "utf8");
    expect(text.match(/^\| (popularity|content only|full) \|/gm)).toEqual([
      "| popularity |",
      "| content only |",
    ]);
    const plot = /\(([^)]+-cold-users\.svg)\)/.exec(text)![1]!;
    expect(await readFile(join(report, plot), "utf8")).toContain("</svg>");
    expect(text).toContain(`--methods content --curves cold-users --seeds 0 --report ${report}`);
  });

  test("what loses its only telling modality is found worse, by methods and curves of one command", async () => {
    await using data = await temporaryFolder(plantedFiles());
    const options = ["--methods", "attention", "--curves", "missing-modality", "--seeds", "1"];
    const metrics = await metricsOf(["--dataset", data.directory, ...options]);
    const ndcg = (removed: string): number =>
      metrics.get(`missing-modality/attention, trained with dropout/${removed}/ndcg@20`)!.value;
    // Images are noise here, collaborative vectors differ between the kinds.
    expect(ndcg("none")).toBeGreaterThan(ndcg("behaviour") + 0.1);
    expect(ndcg("image")).toBeGreaterThan(ndcg("behaviour") + 0.1);
    const names = [...metrics.keys()];
    expect(names.filter((name) => name.startsWith("missing-image/fixed weights/"))).toHaveLength(
      12,
    );
    expect(names).toContain("attention/masked/ndcg@20");
  }, 60_000);

  test("a mistake in the data ends training before it starts, and leaves nothing behind", async () => {
    await using data = await temporaryFolder({
      ...pairFiles(),
      "image_feat.npy": npy(4, 2, [1, 0, 0, Number.NaN, 1, 1, 2, 0]),
    });
    const output = captured();
    const args = ["--dataset", data.directory, "--out", join(data.directory, "bundle")];
    await expect(runTrain(args, output)).rejects.toThrow(/image_feat\.npy, row 2: .*NaN/);
    expect(output.err()).toBe("");
    expect(await readdir(data.directory)).not.toContain("bundle");
  });

  test("a bundle names the command that its result depends on, in the words that bundles always had", () => {
    const args = ["--dataset", "some/tiny", "--out", "o", "--checkpoint", "c"];
    const createdBy = (...more: string[]) => trainOptionsOf([...args, ...more])!.createdBy;
    expect(createdBy("--seed", "7")).toBe("train --dataset tiny --seed 7");
    expect(createdBy("--interests", "item-identity")).toBe(
      "train --dataset tiny --seed 1 --interests own-code",
    );
    expect(createdBy("--fusion", "attention", "--towers", "--alignment", ".1")).toBe(
      "train --dataset tiny --seed 1 --fusion attention --scorer linear --alignment 0.1 --towers",
    );
  });

  test("help goes to stdout; missing and wrong options are named", async () => {
    const output = captured();
    await runEvaluate(["--help"], output);
    await runTrain(["--help"], output);
    expect(output.out()).toContain("npm run evaluate -- --dataset DIR");
    expect(output.out()).toContain("npm run train -- --dataset DIR --out DIR");
    const either = "expected either --dataset or --from-system";
    await expect(runEvaluate([], output)).rejects.toThrow(either);
    await expect(runTrain(["--dataset", "x", "--from-system"], output)).rejects.toThrow(either);
    await expect(runEvaluate(["--dataset", "x", "--methods", "fulll"], output)).rejects.toThrow(
      /--methods: expected some of popularity, .*got "fulll"/,
    );
    await expect(runTrain(["--dataset", "x"], output)).rejects.toThrow("--out is missing");
    await expect(runEvaluate(["--row", "full"], output)).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringMatching(/^Unknown option '--row': expected some of .*--methods, /),
    });
  });
});
