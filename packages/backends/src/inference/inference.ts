/**
 * Inference: pretrained encoders run by ONNX Runtime in worker threads, so that the event loop
 * stays free. There is one implementation and no fake; tests run small real graphs.
 */
import { Worker, type WorkerOptions } from "node:worker_threads";

import { MarquetryError } from "@marquetry/runtime/errors";

import { checkFiles, type EncoderManifest, readManifest } from "./manifest.js";
import type { WorkerStart } from "./worker.js";
import { WorkerPool } from "./worker-pool.js";

export type { EncoderManifest } from "./manifest.js";

/** One content's vector, or why it has none; a broken picture costs that picture only.
 *
 * - `undecodable`: not a JPEG, PNG, WebP, GIF, AVIF or TIFF picture, or a damaged one.
 * - `too-large`: a picture above 50 megapixels or 64 MiB; found before it is decoded.
 * - `encoder`: the graph failed on it, gave no usable vector, or two workers died over it. */
export type EncodeResult =
  | { readonly vector: Float32Array }
  | { readonly failure: "undecodable" | "too-large" | "encoder"; readonly detail: string };

/** One encoder, ready to run. */
export interface Encoder {
  readonly manifest: EncoderManifest;
  /**
   * Texts for a text encoder, file bytes for an image encoder; results in the same order.
   * Batches are formed inside, over concurrent calls too. A content's vector does not depend on
   * what else is encoded (to 1e-4). Vectors are L2-normalised where the manifest says so. Any
   * string is a text, the empty one included; long ones are cut.
   *
   * Rejects with `invalid` (contents of the wrong kind), `overloaded` (more than `queueMax`
   * contents would wait; none of this call's is taken) or `unavailable` (closed, also during
   * the call).
   */
  encode(contents: readonly (string | Uint8Array)[]): Promise<EncodeResult[]>;
  /** Contents handed to ONNX Runtime since the start. A content counts once however often its
   * batch was tried; one that could not be decoded does not count. */
  encodedTotal(): number;
  /** Rejects what is not encoded yet and ends the workers after their running task. Idempotent. */
  close(): Promise<void>;
}

export type EncoderEvent =
  /** `batchMax` is 1 where the graph's vectors would depend on the batch. */
  | { readonly kind: "worker-ready"; readonly batchMax: number }
  | {
      readonly kind: "task-done";
      readonly contents: number;
      readonly handed: number;
      readonly tookMs: number;
    }
  /** Its contents are encoded once more by another worker. */
  | { readonly kind: "worker-died"; readonly contents: number; readonly detail: string }
  | { readonly kind: "worker-failed-to-start"; readonly detail: string };

export interface EncoderOptions {
  /** Folder with `manifest.json`, the graph and, for text, the tokenizer. */
  readonly directory: string;
  /** Worker threads, each with its own session and copy of the weights. */
  readonly workers: number;
  /** ONNX Runtime threads of one worker; `workers * threadsPerWorker` should not exceed the
   * cores. Default 1: two workers encode more than one worker with two threads. */
  readonly threadsPerWorker?: number;
  /** Rows of one run. Default 16. */
  readonly batchMax?: number;
  /** Contents that may wait for a worker. Default 1024. */
  readonly queueMax?: number;
  readonly onEvent?: (event: EncoderEvent) => void;
  /** How a thread is started; tests get hold of threads here, to kill them. */
  readonly startWorker?: (file: URL, options: WorkerOptions) => Worker;
}

/**
 * Checks the folder and starts the workers; each loads the graph, compares it with the manifest
 * and runs it twice.
 * @throws MarquetryError `not-found` (no manifest or file), `corrupt` (sha256 differs, no ONNX
 * graph) or `invalid` (the manifest has mistakes or the graph does not fit it, a line each)
 */
export async function openEncoder(options: EncoderOptions): Promise<Encoder> {
  const { directory, workers, threadsPerWorker = 1, batchMax = 16, queueMax = 1_024 } = options;
  for (const [field, value] of Object.entries({ workers, threadsPerWorker, batchMax, queueMax })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new MarquetryError("invalid", `${field} is ${value}; expected at least 1`, { field });
  }
  const manifest = await readManifest(directory);
  await checkFiles(directory, manifest);
  const start: WorkerStart = { directory, manifest, threads: threadsPerWorker, batchMax };
  const startWorker = options.startWorker ?? ((file, settings) => new Worker(file, settings));
  const pool = await WorkerPool.open({
    workers,
    queueMax,
    // Texts are sorted by length within a task, so it holds several batches; pictures are not.
    taskMax: manifest.modality === "text" ? 4 * batchMax : batchMax,
    startWorker: () =>
      startWorker(new URL("./worker.js", import.meta.url), {
        workerData: start,
        name: manifest.id,
      }),
    onEvent: options.onEvent ?? (() => {}),
  });
  return {
    manifest,
    async encode(contents) {
      expectKind(contents, manifest);
      return pool.encode(contents);
    },
    encodedTotal: () => pool.handed,
    close: () => pool.close(),
  };
}

function expectKind(contents: readonly (string | Uint8Array)[], manifest: EncoderManifest): void {
  const text = manifest.modality === "text";
  const wrong = contents.findIndex((content) => (typeof content === "string") !== text);
  if (wrong === -1) return;
  const message = `${manifest.id} encodes ${text ? "texts" : "pictures"}`;
  throw new MarquetryError("invalid", message, { field: `contents[${wrong}]` });
}
