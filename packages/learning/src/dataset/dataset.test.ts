import { describe, expect, test } from "@jest/globals";
import { npy, pairFiles, sequenceFiles, table } from "@marquetry/testing/dataset-files";
import { temporaryFolder } from "@marquetry/testing/folders";
import { evaluationCaseOf } from "./dataset.js";
import type { Dataset } from "./dataset.js";
import { decodeNpy } from "./npy.js";
import { readDataset } from "./read-dataset.js";

type Files = Record<string, string | Uint8Array>;

async function read(files: Files): Promise<Dataset> {
  await using folder = await temporaryFolder(files);
  return await readDataset(folder.directory);
}

const plain = (lists: readonly Int32Array[]): number[][] => lists.map((list) => Array.from(list));

describe("sequences", () => {
  test("prefixes are joined, and the test's history has the validation product", async () => {
    const { splits, itemIds, ordered, texts } = await read(sequenceFiles());
    expect(plain(splits.train)).toEqual([
      [0, 1, 2],
      [3, 4],
      [5, 0],
    ]);
    expect(plain(evaluationCaseOf({ splits }, "valid").targets)).toEqual([[3], [0], [1]]);
    expect(plain(evaluationCaseOf({ splits }, "test").histories)[0]).toEqual([0, 1, 2, 3]);
    expect(plain(evaluationCaseOf({ splits }, "test").targets)).toEqual([[4], [5], [2]]);
    expect(itemIds).toEqual(["a", "b", "c", "d", "e", "f"]);
    expect(texts["text"]?.[2]).toBe("product c");
    expect(ordered).toBe(true);
  });

  test("lists that are cut to the newest 50 are still joined whole", async () => {
    const header = "user_id:token | item_id_list:token_seq | item_id:token";
    const products = Array.from({ length: 60 }, (_, i) => i);
    const prefix = (end: number): string =>
      `0 | ${products.slice(Math.max(0, end - 50), end).join(" ")} | ${end}`;
    const { splits } = await read({
      "t.train.inter": table(header, ...products.slice(1, 58).map(prefix), "1 | 1 | 2"),
      "t.valid.inter": table(header, prefix(58)),
      "t.test.inter": table(header, prefix(59)),
      "t.item2index": table("p0 | 0", ...products.slice(1).map((i) => `p${i} | ${i}`)),
      "t.text": table("item_id:token | text:token_seq", ...products.map((i) => `p${i} | ${i}`)),
    });
    expect(plain(splits.train)[0]).toEqual(products.slice(0, 58));
  });
});

describe("pairs", () => {
  test("sets are read by user, and the test's history is the training part alone", async () => {
    const { splits, features, itemIds, ordered } = await read(pairFiles());
    expect(plain(splits.train)).toEqual([[0, 1], [1, 2], [0]]);
    expect(plain(evaluationCaseOf({ splits }, "test").histories)).toEqual(plain(splits.train));
    expect(plain(splits.test)).toEqual([[], [3], [1]]);
    expect(Array.from(features["image"]!.data)).toEqual([1, 0, 0, 1, 1, 1, 2, 0.5]);
    expect(itemIds).toHaveLength(4);
    expect(ordered).toBe(false);
  });

  test("a descriptor names other files", async () => {
    const { "train.tsv": train, ...others } = pairFiles();
    const descriptor = {
      name: "my-shop",
      interactions: { layout: "pairs", train: "a.tsv", valid: "valid.tsv", test: "test.tsv" },
      modalities: { picture: { layout: "npy", file: "image_feat.npy" } },
    };
    const files = { ...others, "a.tsv": train!, "dataset.json": JSON.stringify(descriptor) };
    const { name, features } = await read(files);
    expect(name).toBe("my-shop");
    expect(Object.keys(features)).toEqual(["picture"]);
  });
});

describe("bad input names the file, the row and what was expected", () => {
  const header = "user | item";
  const inter = "user_id:token | item_id_list:token_seq | item_id:token";
  test.each<[string, () => Files, Files, RegExp]>([
    [
      "an empty table",
      pairFiles,
      { "train.tsv": "user\titem\n" },
      /train\.tsv: .*at least one row/,
    ],
    ["one user", pairFiles, { "train.tsv": table(header, "0 | 1") }, /train\.tsv: .*two users/],
    ["a wrong header", pairFiles, { "valid.tsv": "u\ti\n" }, /valid\.tsv, row 1: .*"user, item"/],
    [
      "a missing field",
      pairFiles,
      { "valid.tsv": table(header, "0") },
      /valid\.tsv, row 2: .*2 tab/,
    ],
    ["no number", pairFiles, { "test.tsv": table(header, "0 | x") }, /test\.tsv, row 2: .*got "x"/],
    [
      "a pair that stands twice",
      pairFiles,
      { "train.tsv": table(header, "0 | 1", "1 | 1", "0 | 1") },
      /train\.tsv, row 4: .*once, but user 0 and item 1 stand in .*row 2/,
    ],
    [
      "a test pair that is in training",
      pairFiles,
      { "test.tsv": table(header, "0 | 1") },
      /test\.tsv, row 2: .*train\.tsv, row 3/,
    ],
    [
      "a product beyond the matrix",
      pairFiles,
      { "test.tsv": table(header, "0 | 9") },
      /test\.tsv: expected products below 4.*user 0 has 9/,
    ],
    [
      "NaN in a matrix",
      pairFiles,
      { "image_feat.npy": npy(4, 2, [1, 0, 0, 1, 1, Number.NaN, 2, 0]) },
      /image_feat\.npy, row 3: .*got NaN in column 2/,
    ],
    [
      "a constant modality",
      pairFiles,
      { "image_feat.npy": npy(4, 2, [1, 2, 1, 2, 1, 2, 1, 2]) },
      /image_feat\.npy: .*rows that differ/,
    ],
    [
      "a cut matrix",
      pairFiles,
      { "image_feat.npy": npy(5, 2, [1, 0, 0, 1, 1, 1, 2, 0]) },
      /image_feat\.npy: expected 40 bytes for 5 x 2, got 32/,
    ],
    ["no matrix", pairFiles, { "image_feat.npy": "text" }, /image_feat\.npy: expected a NumPy/],
    [
      "a list out of order",
      sequenceFiles,
      { "tiny.valid.inter": table(inter, "0 | 0 2 1 | 3") },
      /tiny\.valid\.inter, row 2: .*\[0 1 2\].*got \[0 2 1\]/,
    ],
    [
      "a user twice in a test file",
      sequenceFiles,
      { "tiny.test.inter": table(inter, "0 | 0 1 2 3 | 4", "0 | 0 1 2 3 4 | 5") },
      /tiny\.test\.inter, row 3: .*one row per user/,
    ],
    [
      "a text of an unknown product",
      sequenceFiles,
      { "tiny.text": table("item_id:token | text:token_seq", "z | what") },
      /tiny\.text, row 2: .*got "z"/,
    ],
    [
      "a product without text",
      sequenceFiles,
      { "tiny.text": table("item_id:token | text:token_seq", "a | what") },
      /tiny\.text: expected a text for product b/,
    ],
    [
      "a number that stands twice",
      sequenceFiles,
      { "tiny.item2index": table("a | 0", "b | 0") },
      /tiny\.item2index, row 2: .*once, got 0/,
    ],
    [
      "an id twice",
      sequenceFiles,
      { "tiny.item2index": table("a | 0", "a | 1") },
      /tiny\.item2index, row 2: expected each id once, but row 1 has "a"/,
    ],
    [
      "products that all have one text",
      sequenceFiles,
      {
        "tiny.text": table(
          "item_id:token | text:token_seq",
          ...["a", "b", "c", "d", "e", "f"].map((id) => `${id} | shoe`),
        ),
      },
      /tiny\.text: expected texts that differ/,
    ],
    [
      "matrices of different numbers of products",
      pairFiles,
      { "audio_feat.npy": npy(3, 1, [1, 2, 3]) },
      /expected as many products in every modality, got 3 in audio and 4 in image/,
    ],
    [
      "a split without test users",
      pairFiles,
      { "test.tsv": "user\titem\n" },
      /test\.tsv: expected at least one row of data/,
    ],
    ["a descriptor with mistakes", pairFiles, { "dataset.json": "{}" }, /dataset\.json: name: /],
    [
      "a descriptor that is no JSON",
      pairFiles,
      { "dataset.json": "{" },
      /dataset\.json: expected JSON/,
    ],
  ])("%s", async (_, files, change, message) => {
    await expect(read({ ...files(), ...change })).rejects.toThrow(message);
  });

  test("a folder of another kind, and none at all", async () => {
    await expect(read({ "notes.txt": "" })).rejects.toThrow(/dataset\.json, \*\.train\.inter or/);
    await expect(readDataset("no-such-folder")).rejects.toThrow(/no-such-folder: .*can be read/);
  });
});

describe("npy", () => {
  test("float16 and float64 are read", () => {
    const bytes = npy(1, 2, [0, 0]);
    const text = Buffer.from(bytes.subarray(0, -8)).toString("latin1");
    const withData = (type: string, data: readonly number[]): Uint8Array =>
      Uint8Array.of(...Buffer.from(text.replace("<f4", type), "latin1"), ...data);
    const half = decodeNpy(withData("<f2", [0x00, 0x3c, 0x00, 0xc0]), "half");
    expect(Array.from(half.data)).toEqual([1, -2]);
    const double = withData("<f8", [0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0]);
    expect(Array.from(decodeNpy(double, "double").data)).toEqual([1, -2]);
    expect(() => decodeNpy(withData("<i4", []), "whole")).toThrow("got type <i4");
  });
});
