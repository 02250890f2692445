import { join } from "node:path";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { badInput } from "./bad-input.js";
import type { Dataset, ImageFiles, Splits } from "./dataset.js";
import { namesIn, readDescriptor } from "./descriptor.js";
import type { Descriptor } from "./descriptor.js";
import { readEvents } from "./events.js";
import { makeSplits } from "./make-splits.js";
import { decodeNpy } from "./npy.js";
import { readPairs } from "./pairs.js";
import type { SplitFiles } from "./pairs.js";
import { readBytes } from "./read-file.js";
import { readSequences } from "./sequences.js";
import { indexField, readTable } from "./table.js";

/**
 * Reads a dataset's folder and checks all of it, so that nothing fails later than here.
 * @throws MarquetryError `invalid` that names the file, the row and what was expected
 */
export async function readDataset(directory: string): Promise<Dataset> {
  const descriptor = await readDescriptor(directory);
  const itemTable =
    descriptor.items === undefined ? undefined : await readItems(join(directory, descriptor.items));
  const interactions = await readInteractions(directory, descriptor, itemTable);
  const { splits, files } = interactions;
  checkUsers(splits, files);
  const itemIds = interactions.itemIds ?? itemTable;
  const { features, texts, images } = await readModalities(directory, descriptor, itemIds);
  const items = itemIds?.length ?? countOfItems(directory, features, texts, splits);
  checkItems(splits, files, items);
  return {
    name: descriptor.name,
    itemIds: itemIds ?? Array.from({ length: items }, (_, i) => String(i)),
    ordered: interactions.ordered,
    splits,
    ...(interactions.actions && { actions: interactions.actions }),
    features,
    texts,
    images,
  };
}

interface Interactions extends Pick<Dataset, "splits" | "ordered" | "actions"> {
  /** What messages call the parts. */
  readonly files: SplitFiles;
  /** Where the interactions name the products. */
  readonly itemIds?: readonly string[];
}

async function readInteractions(
  directory: string,
  { interactions, modalities }: Descriptor,
  itemIds: readonly string[] | undefined,
): Promise<Interactions> {
  if (interactions.layout !== "events") {
    const files = {
      train: join(directory, interactions.train),
      valid: join(directory, interactions.valid),
      test: join(directory, interactions.test),
    };
    const ordered = interactions.layout === "sequences";
    return { files, ordered, splits: await (ordered ? readSequences : readPairs)(files) };
  }
  const matrices = Object.entries(modalities).filter(([, { layout }]) => layout === "npy");
  if (itemIds === undefined && matrices.length > 0) {
    throw badInput(
      join(directory, "dataset.json"),
      undefined,
      `items: expected a table of ids and numbers, which say whose the rows of ${matrices[0]![0]} are`,
    );
  }
  const file = join(directory, interactions.file);
  const events = await readEvents(file, interactions.split, itemIds);
  const { splits, actions } = makeSplits(events.byUser, interactions.split);
  const { kind } = interactions.split;
  return {
    files: { train: file, valid: `${file}, split ${kind}`, test: `${file}, split ${kind}` },
    ordered: kind !== "random",
    splits,
    itemIds: events.itemIds,
    ...(events.actions.length > 0 && {
      actions: { names: events.actions, ...actions },
    }),
  };
}

function checkUsers({ train, valid, test }: Splits, files: SplitFiles): void {
  const nonEmpty = (lists: readonly Int32Array[]): number =>
    lists.filter((list) => list.length > 0).length;
  const [users, valids, tests] = [nonEmpty(train), nonEmpty(valid), nonEmpty(test)];
  if (users < 2)
    throw badInput(files.train, undefined, `expected at least two users, got ${users}`);
  if (valids === 0) {
    throw badInput(files.valid, undefined, "expected a user with a validation target, got none");
  }
  if (tests === 0) {
    throw badInput(files.test, undefined, "expected a user with a test target, got none");
  }
}

function checkItems({ train, valid, test }: Splits, files: SplitFiles, items: number): void {
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
  const rowOf = new Map<string, number>();
  for (const { row, fields } of rows) {
    const earlier = rowOf.get(fields[0]!);
    if (earlier !== undefined) {
      throw badInput(file, row, `expected each id once, but row ${earlier} has "${fields[0]}" too`);
    }
    rowOf.set(fields[0]!, row);
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
): Promise<Required<Pick<Dataset, "features" | "texts" | "images">>> {
  const features: Record<string, Matrix> = {};
  const texts: Record<string, readonly string[]> = {};
  const images: Record<string, ImageFiles> = {};
  for (const [name, modality] of Object.entries(modalities)) {
    const file = join(directory, modality.file);
    if (modality.layout === "npy") {
      features[name] = decodeNpy(await readBytes(file), file);
      checkFeatures(file, features[name], itemIds);
    } else if (modality.layout === "text") {
      texts[name] = await readTexts(file, itemIds);
    } else {
      images[name] = await readImageFiles(file, join(directory, modality.folder), itemIds);
    }
  }
  return { features, texts, images };
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
  if (missing === -1) {
    if (texts.some((text) => text !== texts[0])) return texts;
    throw badInput(file, undefined, "expected texts that differ, but all products have the same");
  }
  throw badInput(file, undefined, `expected a text for product ${itemIds?.[missing] ?? missing}`);
}

/** Picture files by product number, from a table of id and file name. */
async function readImageFiles(
  table: string,
  folder: string,
  itemIds: readonly string[] | undefined,
): Promise<ImageFiles> {
  const indexOf = new Map(itemIds?.map((id, i) => [id, i]));
  const present = new Set(await namesIn(folder));
  const files: ({ path: string; row: number } | undefined)[] = [];
  for (const { row, fields } of await readTable(table, 2, ["item", "file"])) {
    const [id, name] = fields as [string, string];
    const index = itemIds === undefined ? indexField(table, row, "item", id) : indexOf.get(id);
    if (index === undefined) throw badInput(table, row, `expected a known product id, got "${id}"`);
    if (files[index] !== undefined) {
      throw badInput(table, row, `expected one picture of product ${id}, got another`);
    }
    if (!present.has(name))
      throw badInput(table, row, `expected a file of ${folder}, got "${name}"`);
    files[index] = { path: join(folder, name), row };
  }
  const items = itemIds?.length ?? files.length;
  return { table, files: Array.from({ length: items }, (_, i) => files[i]) };
}

/** Where nothing names the products: as many as the modalities have, else as the interactions have. */
function countOfItems(
  directory: string,
  features: Dataset["features"],
  texts: Dataset["texts"],
  { train, valid, test }: Splits,
): number {
  const counts = Object.entries({
    ...Object.fromEntries(Object.entries(features).map(([name, { rows }]) => [name, rows])),
    ...Object.fromEntries(Object.entries(texts).map(([name, list]) => [name, list.length])),
  });
  const [first] = counts;
  const other = counts.find(([, count]) => count !== first![1]);
  if (first !== undefined && other !== undefined) {
    throw badInput(
      directory,
      undefined,
      `expected as many products in every modality, got ${first[1]} in ${first[0]} and ` +
        `${other[1]} in ${other[0]}`,
    );
  }
  if (first !== undefined) return first[1];
  return [train, valid, test].flat().reduce((most, list) => Math.max(most, ...list), 0) + 1;
}
