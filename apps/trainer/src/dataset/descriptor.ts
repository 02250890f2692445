/**
 * `dataset.json`: what a dataset's folder holds. File names are relative to the folder.
 *
 *     {
 *       "name": "my-shop",
 *       "interactions": { "layout": "sequences", "train": "a", "valid": "b", "test": "c" },
 *       "items": "item2index",
 *       "modalities": {
 *         "text": { "layout": "text", "file": "titles.text" },
 *         "image": { "layout": "npy", "file": "image.npy" }
 *       }
 *     }
 *
 * `interactions.layout` is `sequences` (RecBole `.inter`, in order of time) or `pairs` (tables
 * `user, item`, sets without order). `items` names a table of product id and number; without it the
 * numbers are the ids. A folder without a descriptor is taken for one of the two layouts by its
 * files.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { badInput } from "./bad-input.js";

const fileName = z.string().regex(/^[\w-][\w.-]*$/, "expected a file name without a folder");

const descriptorSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,40}$/, "expected lower-case letters, digits, dashes"),
  interactions: z.strictObject({
    layout: z.enum(["sequences", "pairs"]),
    train: fileName,
    valid: fileName,
    test: fileName,
  }),
  items: fileName.optional(),
  modalities: z.record(
    z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, "expected lower-case letters, digits, dashes"),
    z.strictObject({ layout: z.enum(["text", "npy"]), file: fileName }),
  ),
});

export type Descriptor = z.output<typeof descriptorSchema>;

/**
 * The folder's `dataset.json`, or what its files amount to.
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

async function namesIn(directory: string): Promise<string[]> {
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
