import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openEncoder } from "@marquetry/backends/inference";
import type { Encoder } from "@marquetry/backends/inference";
import { matrix } from "@marquetry/model/matrix";
import type { Matrix } from "@marquetry/model/matrix";
import { decodeSafetensors, encodeSafetensors } from "@marquetry/model/safetensors";
import { MarquetryError } from "@marquetry/runtime/errors";

export interface EncodeTextsOptions {
  /** The encoder's folder. */
  readonly encoderDirectory: string;
  /** Where encoded texts are kept, by a digest of encoder and texts. */
  readonly cacheDirectory: string;
  readonly report: (line: string) => void;
}

const CHUNK = 256;
const TENSOR = "vectors";

/**
 * The texts' vectors by one of our encoders, one row per text; from the cache where the same
 * texts were encoded before.
 * @throws MarquetryError as `openEncoder`, or `internal` where a text cannot be encoded
 */
export async function encodeTexts(
  texts: readonly string[],
  { encoderDirectory, cacheDirectory, report }: EncodeTextsOptions,
): Promise<{ readonly encoder: string; readonly vectors: Matrix }> {
  const encoder = await openEncoder({ directory: encoderDirectory, workers: 2 });
  try {
    const { id, sha256, dims } = encoder.manifest;
    const digest = createHash("sha256")
      .update(JSON.stringify([id, sha256, texts]))
      .digest("hex");
    const file = join(cacheDirectory, `${id}-${digest.slice(0, 32)}.safetensors`);
    const kept = await readKept(file, texts.length, dims);
    if (kept !== undefined) return { encoder: id, vectors: kept };
    const vectors = await encodeAll(encoder, texts, report);
    await mkdir(cacheDirectory, { recursive: true });
    const tensors = new Map([[TENSOR, { shape: [texts.length, dims], data: vectors.data }]]);
    await writeFile(`${file}.${process.pid}`, encodeSafetensors(tensors));
    await rename(`${file}.${process.pid}`, file);
    return { encoder: id, vectors };
  } finally {
    await encoder.close();
  }
}

/** Undefined where there is none, or one that cannot be read: then the texts are encoded again. */
async function readKept(file: string, rows: number, cols: number): Promise<Matrix | undefined> {
  try {
    const tensor = decodeSafetensors(await readFile(file)).get(TENSOR);
    return tensor === undefined ? undefined : matrix(rows, cols, tensor.data);
  } catch {
    return undefined;
  }
}

async function encodeAll(
  encoder: Encoder,
  texts: readonly string[],
  report: (line: string) => void,
): Promise<Matrix> {
  const vectors = matrix(texts.length, encoder.manifest.dims);
  for (let from = 0; from < texts.length; from += CHUNK) {
    report(`${encoder.manifest.id}: ${from} of ${texts.length} texts`);
    const results = await encoder.encode(texts.slice(from, from + CHUNK));
    for (const [i, result] of results.entries()) {
      if ("failure" in result) {
        const message = `text ${from + i} cannot be encoded: ${result.detail}`;
        throw new MarquetryError("internal", message);
      }
      vectors.data.set(result.vector, (from + i) * vectors.cols);
    }
  }
  return vectors;
}
