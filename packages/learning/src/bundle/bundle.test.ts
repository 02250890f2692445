import { spawnSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { fuse } from "@marquetry/model/fusion";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { temporaryFolder } from "@marquetry/testing/folders";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import type { Prepared } from "../representation/prepare.js";
import { readBundleFolder, readFittingBundle, writeBundleFolder } from "./bundle-folder.js";
import { modalityVectors } from "./trained-bundle.js";
import { trainedBundle } from "../../test/trained.js";

const uniform = mulberry32(8);
const ITEMS = 30;
const itemIds = Array.from({ length: ITEMS }, (_, i) => `p${i}`);
const text = matrix(ITEMS, 6, randomVector(uniform, ITEMS * 6));
const image = matrix(ITEMS, 4, randomVector(uniform, ITEMS * 4));
/** Half content, half not: what a linear map of the text gives, and noise. */
const vectors = normaliseRows(
  matrix(
    ITEMS,
    5,
    randomVector(uniform, ITEMS * 5).map(
      (x, i) => x + 2 * text.data[6 * Math.floor(i / 5) + (i % 5)]!,
    ),
  ),
);
const counts = Float64Array.from({ length: ITEMS }, (_, i) => (i < 3 ? 0 : i));
const prepared: Prepared = {
  dataset: {
    name: "tiny",
    itemIds,
    ordered: true,
    splits: {
      train: [Int32Array.of(3, 4, 5), Int32Array.of(0, 3)],
      valid: [],
      test: [],
      testHistory: "train",
    },
    features: {},
    texts: {},
  },
  features: { text, image },
  encoders: { text: { encoder: "words", dims: 6 }, image: { encoder: "pictures", dims: 4 } },
  content: {},
  whitenings: {},
  counts,
};
const ranking = { decay: 0.6, popularity: 0.04 };
const train = () => trainedBundle(prepared, vectors, ranking);

describe("a trained bundle", () => {
  test("fuses what services have of a product to the trained vector", async () => {
    const { bundle, collaborative } = await train();
    const vectorsOf = modalityVectors(prepared.features, collaborative);
    for (let item = 3; item < ITEMS; item += 1) {
      const fused = fuse(bundle.fusion, vectorsOf(item))!;
      rowOf(vectors, item).forEach((x, j) => expect(fused[j]).toBeCloseTo(x, 5));
    }
  });

  test("guesses a cold product's vector from its content", async () => {
    const { bundle, collaborative } = await train();
    const vectorsOf = modalityVectors(prepared.features, collaborative);
    for (const item of [0, 1, 2]) {
      expect(Object.keys(vectorsOf(item))).toEqual(["text", "image"]);
      const fused = fuse(bundle.fusion, vectorsOf(item))!;
      const cosine = fused.reduce((sum, x, j) => sum + x * rowOf(vectors, item)[j]!, 0);
      expect(cosine).toBeGreaterThan(0.6);
    }
  });

  test("weighs popularity as the ranking did: beta log(1 + count) for any count", async () => {
    const { bundle } = await train();
    const served = (bundle.ranking.weights.popularity * Math.log1p(7)) / Math.log1p(ITEMS - 1);
    expect(served).toBeCloseTo(0.04 * Math.log1p(7), 12);
    expect(bundle.interests).toMatchObject({ rankDecay: 0.6 });
  });

  test("carries golden vectors: trained products, one modality short, cold ones, histories", async () => {
    const { golden } = (await train()).bundle;
    expect(golden!.products.map(({ name }) => name)).toEqual([
      "p3",
      "p4",
      "p3 without text",
      "p3 without image",
      "p3 without behaviour",
      "p0, cold",
      "p1, cold",
    ]);
    expect(Array.from(golden!.products[0]!.fused)).toEqual(Array.from(rowOf(vectors, 3)));
    expect(golden!.histories.map(({ name }) => name)).toEqual(["p3, p4, p5"]);
  });

  test("equal training gives an equal bundle", async () => {
    const [one, other] = [await train(), await train()];
    expect(one.encoded.manifest).toBe(other.encoded.manifest);
    expect(one.bundle.id).toMatch(/^tiny-[0-9a-f]{8}$/);
  });
});

describe("a bundle's folder", () => {
  test("is read as it was written", async () => {
    await using folder = await temporaryFolder();
    const trained = await train();
    const place = join(folder.directory, "out");
    await writeBundleFolder(place, trained, { note: 1 });
    const { bundle, collaborative } = await readBundleFolder(place, itemIds);
    expect(bundle.id).toBe(trained.bundle.id);
    expect(Array.from(collaborative.items)).toEqual(Array.from(trained.collaborative.items));
    expect(Array.from(collaborative.vectors.data)).toEqual(
      Array.from(trained.collaborative.vectors.data),
    );
    expect(await readdir(folder.directory)).toEqual(["out"]);
  });

  test("is never written over, and a failure leaves nothing behind", async () => {
    await using folder = await temporaryFolder({ existing: "" });
    const trained = await train();
    const existing = join(folder.directory, "existing");
    await expect(writeBundleFolder(existing, trained, {})).rejects.toThrow("nothing is yet");
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const place = join(folder.directory, "out");
    await expect(writeBundleFolder(place, trained, loop)).rejects.toThrow(TypeError);
    expect(await readdir(folder.directory)).toEqual(["existing"]);
  });

  test("that a killed process was writing is nowhere, and its rest goes with the next writing", async () => {
    await using folder = await temporaryFolder();
    const place = join(folder.directory, "out");
    // The report is written before the manifest; this one ends the process when it is put in words.
    const script = `
      import { writeBundleFolder } from ${JSON.stringify(new URL("bundle-folder.js", import.meta.url))};
      const vectors = { rows: 1, cols: 1, data: Float32Array.of(1) };
      await writeBundleFolder(${JSON.stringify(place)}, {
        bundle: { id: "b", encoders: { behaviour: { encoder: "e" } } },
        encoded: { weights: new Uint8Array(9), manifest: "{}" },
        collaborative: { vectors, items: Int32Array.of(0) },
        itemIds: ["p"],
      }, { toJSON: () => process.kill(process.pid, "SIGKILL") });`;
    const args = ["--input-type=module", "--eval", script];
    const { signal, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect({ signal, stderr }).toEqual({ signal: "SIGKILL", stderr: "" });
    const [partial, ...others] = await readdir(folder.directory);
    expect(partial).toMatch(/^out\.partial-\d+$/);
    expect(others).toEqual([]);
    const written = await readdir(join(folder.directory, partial!));
    expect(written).toContain("weights.safetensors");
    expect(written).not.toContain("manifest.json");
    await writeBundleFolder(place, await train(), {});
    expect(await readdir(folder.directory)).toEqual(["out"]);
  });

  test("is refused where the dataset's encoders make other vectors, before anything is scored", async () => {
    await using folder = await temporaryFolder();
    const place = join(folder.directory, "out");
    await writeBundleFolder(place, await train(), {});
    const { text: words, image: pictures } = prepared.encoders;
    const readFor = (encoders: Prepared["encoders"]) =>
      readFittingBundle(place, { ...prepared, encoders });
    await expect(readFor(prepared.encoders)).resolves.toMatchObject({ itemIds });
    await expect(readFor({ text: { ...words!, dims: 7 }, image: pictures! })).rejects.toThrow(
      `${place}/manifest.json: modality text: expected words with 6 dimensions of the dataset, got words with 7`,
    );
    await expect(readFor({ text: words! })).rejects.toThrow(/modality image: .*got none/);
  });

  test("is refused where its list of products is none, or is as long as no list of vectors", async () => {
    await using folder = await temporaryFolder();
    const place = join(folder.directory, "out");
    await writeBundleFolder(place, await train(), {});
    const file = join(place, "behaviour.json");
    const index = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...index, products: index.products.slice(1) }));
    await expect(readBundleFolder(place, itemIds)).rejects.toThrow(
      /expected 26 vectors of 6 .* 27/,
    );
    await writeFile(file, "{");
    await expect(readBundleFolder(place, itemIds)).rejects.toThrow("expected what npm run train");
  });

  test("is refused where a byte of its vectors or a product is another", async () => {
    await using folder = await temporaryFolder();
    const place = join(folder.directory, "out");
    await writeBundleFolder(place, await train(), {});
    await expect(readBundleFolder(place, itemIds.slice(1, 20))).rejects.toThrow('got "p20"');
    const file = join(place, "behaviour.safetensors");
    const bytes = await readFile(file);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file, bytes);
    await expect(readBundleFolder(place, itemIds)).rejects.toThrow(
      "behaviour.safetensors: expected",
    );
  });
});
