import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openEncoder } from "@marquetry/inference/open-encoder";
import type { Encoder } from "@marquetry/inference/encoder";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { decodeSafetensors, encodeSafetensors } from "@marquetry/model/bundle/safetensors";
import { MarquetryError } from "@marquetry/runtime/errors";
import { rowOf } from "../linear-algebra/rows.js";
import { badInput } from "./bad-input.js";
import type { ImageFiles } from "./dataset.js";

export interface EncodeOptions {
  /** The encoder's folder. */
  readonly encoderDirectory: string;
  /** Caches vectors by a digest of encoder and contents. */
  readonly cacheDirectory: string;
  readonly report: (line: string) => void;
}

export interface Encoded {
  readonly encoder: string;
  /** One row per content. */
  readonly vectors: Matrix;
}

const CHUNK = 256;
const TENSOR = "vectors";

/**
 * The texts' vectors by one of our encoders, from the cache if the same texts were encoded before.
 * @throws MarquetryError as `openEncoder`, or `internal` where a text cannot be encoded
 */
export function encodeTexts(texts: readonly string[], options: EncodeOptions): Promise<Encoded> {
  return encode(texts, options, (i, detail) => {
    throw new MarquetryError("internal", `text ${i} cannot be encoded: ${detail}`);
  });
}

/**
 * The pictures' vectors; a product without a picture has a row of zeros.
 * @throws MarquetryError as `openEncoder`, or `invalid` that names the table and the row of a picture
 *   that cannot be read
 */
export async function encodeImages(
  { table, files }: ImageFiles,
  options: EncodeOptions,
): Promise<Encoded> {
  const items = Array.from(files.keys()).filter((item) => files[item] !== undefined);
  const contents: Uint8Array[] = [];
  for (const item of items) contents.push(await readFile(files[item]!.path));
  const { encoder, vectors } = await encode(contents, options, (i, detail) => {
    const { path, row } = files[items[i]!]!;
    throw badInput(table, row, `expected a picture in ${path}: ${detail}`);
  });
  if (vectors.data.every((value, i) => value === vectors.data[i % vectors.cols])) {
    throw badInput(table, undefined, "expected pictures that differ");
  }
  const rows = matrix(files.length, vectors.cols);
  for (const [i, item] of items.entries()) rowOf(rows, item).set(rowOf(vectors, i));
  return { encoder, vectors: rows };
}

/** @param fail throws; i is the number of the content */
async function encode(
  contents: readonly (string | Uint8Array)[],
  { encoderDirectory, cacheDirectory, report }: EncodeOptions,
  fail: (i: number, detail: string) => never,
): Promise<Encoded> {
  const encoder = await openEncoder({ directory: encoderDirectory, workers: 2 });
  try {
    const { id, sha256, dims } = encoder.manifest;
    const file = join(cacheDirectory, `${id}-${digestOf(id, sha256, contents)}.safetensors`);
    const cached = await readCached(file, contents.length, dims);
    if (cached !== undefined) return { encoder: id, vectors: cached };
    const vectors = await encodeAll(encoder, contents, report, fail);
    await mkdir(cacheDirectory, { recursive: true });
    const tensors = new Map([[TENSOR, { shape: [contents.length, dims], data: vectors.data }]]);
    await writeFile(`${file}.${process.pid}`, encodeSafetensors(tensors));
    await rename(`${file}.${process.pid}`, file);
    return { encoder: id, vectors };
  } finally {
    await encoder.close();
  }
}

function digestOf(id: string, sha256: string, contents: readonly (string | Uint8Array)[]): string {
  const sha256Of = (content: Uint8Array): string =>
    createHash("sha256").update(content).digest("hex");
  const parts = contents.map((each) => (typeof each === "string" ? each : sha256Of(each)));
  return createHash("sha256")
    .update(JSON.stringify([id, sha256, parts]))
    .digest("hex")
    .slice(0, 32);
}

/** Undefined where there is no file or one that cannot be read: then the contents are encoded again. */
async function readCached(file: string, rows: number, cols: number): Promise<Matrix | undefined> {
  try {
    const tensor = decodeSafetensors(await readFile(file)).get(TENSOR);
    return tensor === undefined ? undefined : matrix(rows, cols, tensor.data);
  } catch {
    return undefined;
  }
}

async function encodeAll(
  encoder: Encoder,
  contents: readonly (string | Uint8Array)[],
  report: (line: string) => void,
  fail: (i: number, detail: string) => never,
): Promise<Matrix> {
  const vectors = matrix(contents.length, encoder.manifest.dims);
  for (let from = 0; from < contents.length; from += CHUNK) {
    report(`${encoder.manifest.id}: ${from} of ${contents.length} encoded`);
    const results = await encoder.encode(contents.slice(from, from + CHUNK));
    for (const [i, result] of results.entries()) {
      if ("failure" in result) return fail(from + i, result.detail);
      vectors.data.set(result.vector, (from + i) * vectors.cols);
    }
  }
  return vectors;
}
