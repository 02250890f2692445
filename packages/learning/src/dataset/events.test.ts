import { describe, expect, test } from "@jest/globals";
import { npy, table } from "@marquetry/testing/dataset-files";
import { temporaryFolder } from "@marquetry/testing/folders";
import { evaluationCaseOf } from "./dataset.js";
import type { Dataset } from "./dataset.js";
import { readDataset } from "./read-dataset.js";

type Files = Record<string, string | Uint8Array>;
type Split = Record<string, unknown>;

const HEADER = "user | item | timestamp | behaviour";
const NAMES = ["a", "b", "c", "d", "e"];

/** Ann has a to e at times 1 to 5, the last by a purchase; Bob e to a at 3 to 7. */
function shop(split: Split, others: Files = {}, more: Split = {}): Files {
  const ann = NAMES.map((item, i) => `ann | ${item} | ${i + 1} | ${i === 4 ? "purchase" : "view"}`);
  const bob = NAMES.toReversed().map((item, i) => `bob | ${item} | ${i + 3} | view`);
  const descriptor = {
    name: "shop",
    interactions: { layout: "events", file: "events.tsv", split },
    modalities: {},
    ...more,
  };
  return {
    "dataset.json": JSON.stringify(descriptor),
    "events.tsv": table(HEADER, ...ann.flatMap((row, i) => [row, bob[i]!])),
    ...others,
  };
}

async function read(files: Files): Promise<Dataset> {
  await using folder = await temporaryFolder(files);
  return await readDataset(folder.directory);
}

const named = ({ itemIds }: Dataset, lists: readonly Int32Array[]): string[] =>
  lists.map((list) => Array.from(list, (item) => itemIds[item]).join(""));

const parts = (dataset: Dataset): string[][] =>
  (["train", "valid", "test"] as const).map((part) => named(dataset, dataset.splits[part]));

describe("splits made of events", () => {
  const ratios = [0.6, 0.2, 0.2];

  test("leave-one-out: the last is the test, the last but one the validation", async () => {
    const dataset = await read(shop({ kind: "leave-one-out" }));
    expect(parts(dataset)).toEqual([
      ["abc", "edc"],
      ["d", "b"],
      ["e", "a"],
    ]);
    expect(named(dataset, evaluationCaseOf(dataset, "test").histories)).toEqual(["abcd", "edcb"]);
    expect(dataset.ordered).toBe(true);
  });

  test("leave-one-out: who has fewer than three interactions only trains", async () => {
    const events = table("user | item", "u | a", "u | b", "v | a", "v | b", "v | c");
    const dataset = await read(shop({ kind: "leave-one-out" }, { "events.tsv": events }));
    expect(parts(dataset)).toEqual([
      ["ab", "a"],
      ["", "b"],
      ["", "c"],
    ]);
    expect(dataset.actions).toBeUndefined();
  });

  test("per-user-time: each user's interactions cut by the ratios, oldest first", async () => {
    expect(parts(await read(shop({ kind: "per-user-time", ratios })))).toEqual([
      ["abc", "edc"],
      ["d", "b"],
      ["e", "a"],
    ]);
  });

  test("global-time: nothing of the test is older than anything of training, whoever did it", async () => {
    const byTimes = await read(shop({ kind: "global-time", validFrom: 4, testFrom: 6 }));
    expect(parts(byTimes)).toEqual([
      ["abc", "e"],
      ["de", "dc"],
      ["", "ba"],
    ]);
    // Times 1 2 3 3 4 4 5 5 6 7: 60% lie before 5, 80% before 6.
    expect(parts(await read(shop({ kind: "global-time", ratios })))).toEqual([
      ["abcd", "ed"],
      ["e", "c"],
      ["", "ba"],
    ]);
  });

  test("random: a set cut by the ratios, the same for the same seed, each product once", async () => {
    const events = shop({ kind: "random", ratios, seed: 5 });
    const twice = `${String(events["events.tsv"])}bob\ta\t9\tpurchase\n`;
    const dataset = await read({ ...events, "events.tsv": twice });
    const [train, valid, tests] = parts(dataset) as [string[], string[], string[]];
    for (const user of [0, 1]) {
      const whole = `${train[user]}${valid[user]}${tests[user]}`.split("").sort().join("");
      expect(whole).toBe("abcde");
      expect([train[user], valid[user], tests[user]].map((part) => part!.length)).toEqual([
        3, 1, 1,
      ]);
    }
    expect(parts(await read(events))).toEqual(parts(await read(events)));
    const others = await Promise.all(
      [6, 7, 8].map(async (seed) => parts(await read(shop({ kind: "random", ratios, seed })))),
    );
    expect(others.some((other) => String(other) !== String(parts(dataset)))).toBe(true);
    expect(dataset.ordered).toBe(false);
    expect(named(dataset, evaluationCaseOf(dataset, "test").histories)).toEqual(train);
  });

  test("actions stand beside the training part, place by place", async () => {
    const { actions, splits } = await read(
      shop({ kind: "per-user-time", ratios }, { "events.tsv": purchases() }),
    );
    expect(actions!.names).toEqual(["view", "purchase"]);
    expect(actions!.train.map((list) => Array.from(list))).toEqual([
      [0, 1, 0],
      [0, 0, 0],
    ]);
    expect(splits.train.map((list) => list.length)).toEqual([3, 3]);
  });
});

function purchases(): string {
  const rows = ["u", "v"].flatMap((user) =>
    NAMES.map((item, i) => `${item} | ${user === "u" && i === 1 ? "purchase" : "view"} | ${user}`),
  );
  return table("item | behaviour | user | timestamp", ...rows.map((row, i) => `${row} | ${i}`));
}

describe("products of events", () => {
  test("are named by a table, whose numbers are the rows of a matrix", async () => {
    const items = NAMES.toReversed().map((item, i) => `${item} | ${i}`);
    const others = {
      "items.tsv": table(items[0]!, ...items.slice(1)),
      "sound.npy": npy(5, 2, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    };
    const more = {
      items: "items.tsv",
      modalities: { sound: { layout: "npy", file: "sound.npy" } },
    };
    const dataset = await read(shop({ kind: "leave-one-out" }, others, more));
    expect(dataset.itemIds).toEqual(["e", "d", "c", "b", "a"]);
    expect(parts(dataset)[0]).toEqual(["abc", "edc"]);
  });

  test("pictures are files of a folder; a product without one lacks the modality", async () => {
    const files = { "pictures.tsv": table("item | file", "c | items.tsv"), "items.tsv": "x" };
    const modality = { layout: "images", file: "pictures.tsv", folder: "." };
    const bad = shop({ kind: "leave-one-out" }, files, { modalities: { image: modality } });
    await expect(read(bad)).rejects.toThrow(/modalities.image.folder: expected a file name/);
  });
});

describe("bad events name the file, the row and what was expected", () => {
  const split = { kind: "leave-one-out" };
  const matrix = { modalities: { sound: { layout: "npy", file: "s.npy" } } };
  const events = (...rows: string[]): Files => ({ "events.tsv": table(HEADER, ...rows) });
  test.each<[string, Files, RegExp]>([
    ["no rows", shop(split, events()), /events\.tsv: .*at least one row/],
    ["one user", shop(split, events("u | a | 1 | v")), /events\.tsv: .*two users, got 1/],
    [
      "a column of another name",
      shop(split, { "events.tsv": table("user | product", "u | a") }),
      /events\.tsv, row 1: expected the columns "user", "item" and perhaps "timestamp"/,
    ],
    [
      "a time that is none",
      shop(split, events("u | a | noon | v")),
      /events\.tsv, row 2: expected timestamp as a number, got "noon"/,
    ],
    [
      "times out of order",
      shop(split, events("u | a | 5 | v", "w | a | 1 | v", "u | b | 4 | v")),
      /events\.tsv, row 4: .*user u in order of time, but 4 comes after 5 in row 2/,
    ],
    [
      "the same twice",
      shop(split, events("u | a | 5 | v", "u | a | 5 | v")),
      /events\.tsv, row 3: .*once, but row 2 says the same/,
    ],
    [
      "no user",
      shop(split, events(" | a | 5 | v")),
      /events\.tsv, row 2: expected user, got nothing/,
    ],
    [
      "no times where the split needs them",
      shop(
        { kind: "per-user-time", ratios: [0.8, 0.1, 0.1] },
        { "events.tsv": table("user | item", "u | a") },
      ),
      /events\.tsv, row 1: expected a column "timestamp", which the split per-user-time needs/,
    ],
    [
      "no test user",
      shop(split, events("u | a | 1 | v", "u | b | 2 | v", "w | a | 1 | v")),
      /events\.tsv, split leave-one-out: expected a user with a validation target, got none/,
    ],
    [
      "nothing after the second time",
      shop({ kind: "global-time", validFrom: 4, testFrom: 9 }),
      /events\.tsv, split global-time: expected a user with a test target, got none/,
    ],
    [
      "ratios that do not sum to 1",
      shop({ kind: "per-user-time", ratios: [0.8, 0.1, 0.2] }),
      /dataset\.json: interactions\.split\.ratios: expected shares .* that sum to 1/,
    ],
    [
      "a product that the table of items lacks",
      shop(split, { "i.tsv": table("a | 0", "b | 1") }, { items: "i.tsv" }),
      /events\.tsv, row 3: expected a product of the table of items, got "e"/,
    ],
    [
      "a matrix whose rows nothing names",
      shop(split, {}, matrix),
      /dataset\.json: items: expected a table of ids and numbers/,
    ],
    [
      "a matrix of another number of rows",
      shop(
        split,
        {
          "i.tsv": table("a | 0", "b | 1", "c | 2", "d | 3", "e | 4"),
          "s.npy": npy(2, 2, [1, 2, 3, 4]),
        },
        { ...matrix, items: "i.tsv" },
      ),
      /s\.npy: expected 5 rows, one per product, got 2/,
    ],
  ])("%s", async (_, files, message) => {
    await expect(read(files)).rejects.toThrow(message);
  });
});
