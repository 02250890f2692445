/**
 * `dataset.json`: what a dataset's folder holds. File names are relative to the folder; tables are
 * tab-separated with a header.
 *
 *     {
 *       "name": "my-shop",
 *       "interactions": {
 *         "layout": "events",
 *         "file": "events.tsv",
 *         "split": { "kind": "per-user-time", "ratios": [0.8, 0.1, 0.1] }
 *       },
 *       "items": "items.tsv",
 *       "modalities": {
 *         "text": { "layout": "text", "file": "titles.tsv" },
 *         "image": { "layout": "images", "file": "pictures.tsv", "folder": "pictures" },
 *         "sound": { "layout": "npy", "file": "sound.npy" }
 *       }
 *     }
 *
 * `interactions.layout`, and what it means that a user has a product twice:
 *
 * - `events`: one table `user`, `item` and, where there are any, `timestamp` (a number in any unit)
 *   and `behaviour` (a name such as `view`), the columns in any order; ids are any text. A user's
 *   rows stand in order of time. The same product at another time or by another action is
 *   another event; a row that says the same in every column is a mistake. The reader makes the
 *   split (`make-splits.ts`): `{ "kind": "random", "ratios": [.., .., ..], "seed": 1 }`, in which a
 *   product counts once per user; `{ "kind": "leave-one-out" }`;
 *   `{ "kind": "per-user-time", "ratios": .. }`; `{ "kind": "global-time", "ratios": .. }` or with
 *   two times, `"validFrom"` and `"testFrom"`.
 * - `sequences`: RecBole's `.inter` files `train`, `valid`, `test`, in order of time. A product may
 *   stand several times in a history, as in life; a user once in `valid` and once in `test`.
 * - `pairs`: tables `user`, `item` of sets without order: `train`, `valid`, `test`, users and products
 *   as numbers from 0. A pair twice, in one file or in two, is a mistake.
 *
 * `items` is a table without header of product id and number from 0; a matrix (`npy`) has a row per
 * number. Without it numbers are the ids; for `events` the products are those of the table, in the
 * order in which they first stand there, and there can be no matrix. Titles: columns
 * `item_id:token`, `text:token_seq`, one for each product. Pictures: columns `item`, `file`; a
 * product without one lacks the modality.
 *
 * A folder without a descriptor is recognised as `sequences` or `pairs` by its files.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { badInput } from "./bad-input.js";

const fileName = z.string().regex(/^[\w-][\w.-]*$/, "expected a file name without a folder");

/** How far the sum of three ratios may be from 1. */
const RATIOS_TOLERANCE = 1e-9;

const ratios = z
  .tuple([z.number().positive(), z.number().positive(), z.number().positive()])
  .refine(
    (shares) => Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < RATIOS_TOLERANCE,
    "expected shares of train, valid and test that sum to 1",
  );

const splitSchema = z.union(
  [
    z.strictObject({ kind: z.literal("random"), ratios, seed: z.int().nonnegative() }),
    z.strictObject({ kind: z.literal("leave-one-out") }),
    z.strictObject({ kind: z.literal("per-user-time"), ratios }),
    z.strictObject({ kind: z.literal("global-time"), ratios }),
    z
      .strictObject({
        kind: z.literal("global-time"),
        validFrom: z.number(),
        testFrom: z.number(),
      })
      .refine(({ validFrom, testFrom }) => validFrom < testFrom),
  ],
  {
    error:
      "expected random with ratios and seed, leave-one-out, per-user-time with ratios, or " +
      "global-time with ratios or with validFrom before testFrom; ratios are three and sum to 1",
  },
);

const splitFiles = { train: fileName, valid: fileName, test: fileName };

const modalitySchema = z.discriminatedUnion("layout", [
  z.strictObject({ layout: z.literal("text"), file: fileName }),
  z.strictObject({ layout: z.literal("npy"), file: fileName }),
  z.strictObject({ layout: z.literal("images"), file: fileName, folder: fileName }),
]);

const descriptorSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,40}$/, "expected lower-case letters, digits, dashes"),
  interactions: z.discriminatedUnion("layout", [
    z.strictObject({ layout: z.literal("events"), file: fileName, split: splitSchema }),
    z.strictObject({ layout: z.literal("sequences"), ...splitFiles }),
    z.strictObject({ layout: z.literal("pairs"), ...splitFiles }),
  ]),
  items: fileName.optional(),
  modalities: z.record(
    z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, "expected lower-case letters, digits, dashes"),
    modalitySchema,
  ),
});

export type Descriptor = z.output<typeof descriptorSchema>;

/**
 * The folder's `dataset.json`, or a descriptor made of the names of its files.
 * @throws MarquetryError `invalid` with one line per mistake
 */
export async function readDescriptor(directory: string): Promise<Descriptor> {
  const file = join(directory, "dataset.json");
  const names = await namesIn(directory);
  if (!names.includes("dataset.json")) return recognise(directory, names);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    const error = badInput(file, undefined, "expected JSON");
    error.cause = cause;
    throw error;
  }
  const parsed = descriptorSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw badInput(file, undefined, mistakes.join("\n"));
}

/** @throws MarquetryError `invalid` where there is no such folder */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    const error = badInput(directory, undefined, "expected a folder that can be read");
    error.cause = cause;
    throw error;
  }
}

function recognise(directory: string, names: readonly string[]): Descriptor {
  const name = basename(directory)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-");
  const inter = names.find((file) => file.endsWith(".train.inter"));
  if (inter !== undefined) {
    const stem = inter.slice(0, -".train.inter".length);
    return {
      name,
      interactions: {
        layout: "sequences",
        train: inter,
        valid: `${stem}.valid.inter`,
        test: `${stem}.test.inter`,
      },
      items: `${stem}.item2index`,
      modalities: { text: { layout: "text", file: `${stem}.text` } },
    };
  }
  if (names.includes("train.tsv")) {
    const features = names.filter((file) => file.endsWith("_feat.npy")).sort();
    return {
      name,
      interactions: { layout: "pairs", train: "train.tsv", valid: "valid.tsv", test: "test.tsv" },
      modalities: Object.fromEntries(
        features.map((file) => [file.slice(0, -"_feat.npy".length), { layout: "npy", file }]),
      ),
    };
  }
  throw badInput(directory, undefined, "expected dataset.json, *.train.inter or train.tsv in it");
}
