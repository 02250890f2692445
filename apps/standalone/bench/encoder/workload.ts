/** What is encoded: real titles, descriptions and photos. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ProductChangeSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductChange } from "@marquetry/contracts/events/product_pb";
import { readCatalogue } from "../../src/catalogue.js";

/** Titles with descriptions, each once. */
export async function readTexts(data: string, count: number): Promise<string[]> {
  const luma = await readCatalogue(join(data, "magento-luma"));
  const lines = (await readFile(join(data, "amazon-scientific", "Scientific.text"), "utf8"))
    .split("\n")
    .slice(1);
  const texts = [
    ...luma.map(({ title, description }) => `${title}. ${description}`),
    ...lines.map((line) => line.split("\t")[1] ?? ""),
  ];
  const distinct = [...new Set(texts.map((text) => text.trim()).filter((text) => text !== ""))];
  if (distinct.length < count) throw new Error(`${data} has only ${distinct.length} texts`);
  return spread(distinct, count);
}

/** Paths of photos. */
export async function readPhotos(data: string, count: number): Promise<string[]> {
  const directory = join(data, "magento-luma", "images");
  const names = (await readdir(directory)).toSorted();
  if (names.length < count) throw new Error(`${directory} has only ${names.length} photos`);
  return spread(names, count).map((name) => join(directory, name));
}

/** `count` of all, evenly, so that few are like many. */
function spread<T>(all: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
}

/** A product that has this text and nothing else that is encoded. */
export function textChange(text: string, productId: string, revision = 1): ProductChange {
  return change(productId, revision, { title: text });
}

export function photoChange(path: string, productId: string, revision = 1): ProductChange {
  return change(productId, revision, { images: [{ url: pathToFileURL(path).href }] });
}

export function change(
  productId: string,
  revision: number,
  value: { title?: string; images?: { url: string }[] },
): ProductChange {
  return create(ProductChangeSchema, {
    productId,
    revision: BigInt(revision),
    occurredAt: timestampFromMs(Date.now()),
    change: { case: "upserted", value },
  });
}
