import { join } from "node:path";
import type { Matrix } from "@marquetry/model/matrix";
import { badInput } from "./bad-input.js";
import type { Dataset, Splits } from "./dataset.js";
import { readDescriptor } from "./descriptor.js";
import type { Descriptor } from "./descriptor.js";
import { readNpy } from "./npy.js";
import { readPairs } from "./pairs.js";
import { readSequences } from "./sequences.js";
import { indexField, readTable } from "./table.js";

/**
 * Reads a dataset's folder and checks all of it, so that nothing fails later than here.
 * @throws MarquetryError `invalid` that names the file, the row and what was expected
 */
export async function readDataset(directory: string): Promise<Dataset> {
  const descriptor = await readDescriptor(directory);
  const { interactions } = descriptor;
  const files = {
    train: join(directory, interactions.train),
    valid: join(directory, interactions.valid),
    test: join(directory, interactions.test),
  };
  const ordered = interactions.layout === "sequences";
  const splits = ordered ? await readSequences(files) : await readPairs(files);
  checkUsers(splits, files);
  const itemIds =
    descriptor.items === undefined ? undefined : await readItems(join(directory, descriptor.items));
  const { features, texts } = await readModalities(directory, descriptor, itemIds);
  const items = itemIds?.length ?? countOfItems(features, texts, splits);
  checkItems(splits, files, items);
  return {
    name: descriptor.name,
    itemIds: itemIds ?? Array.from({ length: items }, (_, i) => String(i)),
    ordered,
    splits,
    features,
    texts,
  };
}

function checkUsers(
  { train, valid, test }: Splits,
  files: Record<"train" | "valid" | "test", string>,
) {
  const asked = (lists: readonly Int32Array[]): number =>
    lists.filter((list) => list.length > 0).length;
  if (asked(train) < 2) throw badInput(files.train, undefined, "expected at least two users");
  if (asked(valid) === 0) throw badInput(files.valid, undefined, "expected a user with a target");
  if (asked(test) === 0) throw badInput(files.test, undefined, "expected a user with a target");
}

function checkItems(
  { train, valid, test }: Splits,
  files: Record<"train" | "valid" | "test", string>,
  items: number,
): void {
  for (const [part, lists] of Object.entries({ train, valid, test })) {
    for (const [user, list] of lists.entries()) {
      const beyond = list.find((item) => item >= items);
      if (beyond === undefined) continue;
      throw badInput(
        files[part as keyof typeof files],
        undefined,
        `expected products below ${items}, which the product files have, but user ${user} has ${beyond}`,
      );
    }
  }
}

/** Products by number, from a table of id and number. */
async function readItems(file: string): Promise<string[]> {
  const ids: string[] = [];
  const rows = await readTable(file, 2);
  for (const { row, fields } of rows) {
    const index = indexField(file, row, "a number", fields[1]!);
    if (index >= rows.length || ids[index] !== undefined) {
      throw badInput(file, row, `expected each number below ${rows.length} once, got ${index}`);
    }
    ids[index] = fields[0]!;
  }
  return ids;
}

async function readModalities(
  directory: string,
  { modalities }: Descriptor,
  itemIds: readonly string[] | undefined,
): Promise<Pick<Dataset, "features" | "texts">> {
  const features: Record<string, Matrix> = {};
  const texts: Record<string, readonly string[]> = {};
  for (const [name, { layout, file: fileName }] of Object.entries(modalities)) {
    const file = join(directory, fileName);
    if (layout === "npy") {
      features[name] = await readNpy(file);
      checkFeatures(file, features[name], itemIds);
    } else {
      texts[name] = await readTexts(file, itemIds);
    }
  }
  return { features, texts };
}

function checkFeatures(file: string, features: Matrix, itemIds?: readonly string[]): void {
  const { rows, cols, data } = features;
  if (itemIds !== undefined && rows !== itemIds.length) {
    throw badInput(
      file,
      undefined,
      `expected ${itemIds.length} rows, one per product, got ${rows}`,
    );
  }
  const wrong = data.findIndex((value) => !Number.isFinite(value));
  if (wrong !== -1) {
    const column = 1 + (wrong % cols);
    throw badInput(
      file,
      1 + Math.floor(wrong / cols),
      `expected finite numbers, got ${data[wrong]} in column ${column}`,
    );
  }
  if (data.every((value, i) => value === data[i % cols])) {
    throw badInput(file, undefined, "expected rows that differ, but all products have the same");
  }
}

/** Texts by product number, from a table of id and text. */
async function readTexts(file: string, itemIds: readonly string[] | undefined): Promise<string[]> {
  const rows = await readTable(file, 2, ["item_id:token", "text:token_seq"]);
  const indexOf = new Map(itemIds?.map((id, i) => [id, i]));
  const texts: string[] = [];
  for (const { row, fields } of rows) {
    const [id, text] = fields as [string, string];
    const index = itemIds === undefined ? indexField(file, row, "item_id", id) : indexOf.get(id);
    if (index === undefined) throw badInput(file, row, `expected a known product id, got "${id}"`);
    texts[index] = text;
  }
  const missing = (itemIds ?? texts).findIndex((_, i) => texts[i] === undefined);
  if (missing === -1) return texts;
  throw badInput(file, undefined, `expected a text for product ${itemIds?.[missing] ?? missing}`);
}

/** Where nothing names the products: as many as the modalities describe, else as stand in the
 * interactions. */
function countOfItems(
  features: Dataset["features"],
  texts: Dataset["texts"],
  { train, valid, test }: Splits,
): number {
  const described = [
    ...Object.values(features).map(({ rows }) => rows),
    ...Object.values(texts).map((list) => list.length),
  ];
  if (described.length > 0) return Math.min(...described);
  return [train, valid, test].flat().reduce((most, list) => Math.max(most, ...list), 0) + 1;
}
