/** Pictures by the encoder that `npm run models` fetches; skipped without it, except in CI. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { table } from "@marquetry/testing/dataset-files";
import { temporaryFolder } from "@marquetry/testing/folders";
import { modelsDirectory } from "@marquetry/runtime/directories";
import { squarePng } from "@marquetry/testing/png";
import { runsWith } from "@marquetry/testing/requirement";
import { rowOf } from "../linear-algebra/rows.js";
import { encodeImages } from "./encode-contents.js";
import { readDataset } from "./read-dataset.js";

const encoderDirectory = join(modelsDirectory(process.env), "efficientnet-lite0");
const present = existsSync(encoderDirectory);
const missing = `no encoder in ${encoderDirectory}; npm run models fetches it`;
const testWithEncoder = runsWith(present, missing) ? test : test.skip;

const square = (...rgb: readonly number[]): Uint8Array => squarePng(32, rgb);

function shop(pictures: Record<string, Uint8Array | string>) {
  const rows = ["u", "v"].flatMap((user) => ["a", "b", "c"].map((item) => `${user} | ${item}`));
  const descriptor = {
    name: "shop",
    interactions: { layout: "events", file: "events.tsv", split: { kind: "leave-one-out" } },
    modalities: { image: { layout: "images", file: "pictures.tsv", folder: "pictures" } },
  };
  const files = Object.keys(pictures);
  return {
    "dataset.json": JSON.stringify(descriptor),
    "events.tsv": table("user | item", ...rows),
    "pictures.tsv": table("item | file", ...files.map((file) => `${file[0]} | ${file}`)),
    ...Object.fromEntries(files.map((file) => [`pictures/${file}`, pictures[file]!])),
  };
}

async function encode(directory: string) {
  const { images } = await readDataset(directory);
  const cacheDirectory = join(directory, "cache");
  return encodeImages(images!["image"]!, { encoderDirectory, cacheDirectory, report: () => {} });
}

testWithEncoder(
  "pictures are encoded, once; a product without one has a row of zeros",
  async () => {
    await using folder = await temporaryFolder(
      shop({ "a.png": square(255, 0, 0), "c.png": square(0, 0, 255) }),
    );
    const { encoder, vectors } = await encode(folder.directory);
    expect(encoder).toBe("efficientnet-lite0");
    const [a, b, c] = [0, 1, 2].map((item) => rowOf(vectors, item));
    expect(b!.every((x) => x === 0)).toBe(true);
    expect(a!.some((x) => x !== 0)).toBe(true);
    expect(Array.from(a!)).not.toEqual(Array.from(c!));
    expect(Array.from((await encode(folder.directory)).vectors.data)).toEqual(
      Array.from(vectors.data),
    );
  },
  30_000,
);

testWithEncoder(
  "what is no picture is named by table and row",
  async () => {
    await using folder = await temporaryFolder(
      shop({ "a.png": square(9, 9, 9), "b.png": "words" }),
    );
    await expect(encode(folder.directory)).rejects.toThrow(
      /pictures\.tsv, row 3: expected a picture in .*b\.png/,
    );
  },
  30_000,
);

test("a picture that is not in the folder is named by table and row", async () => {
  const { "pictures.tsv": pictures, ...files } = shop({ "a.png": square(9, 9, 9) });
  await using folder = await temporaryFolder({ ...files, "pictures.tsv": `${pictures}b\tb.png\n` });
  await expect(readDataset(folder.directory)).rejects.toThrow(
    /pictures\.tsv, row 3: expected a file of .*pictures, got "b\.png"/,
  );
});
