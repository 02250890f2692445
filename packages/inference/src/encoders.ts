/**
 * Inference: pretrained encoders run by ONNX Runtime in worker threads, so that the event loop
 * stays free. There is one implementation and no fake; tests run small real graphs.
 */
import { Worker, type WorkerOptions } from "node:worker_threads";

import { MarquetryError } from "@marquetry/runtime/errors";

import { ffmpegMistake } from "./video/ffmpeg.js";
import { type EncoderManifest, readEncoderFolder } from "./manifest.js";
import type { WorkerStart } from "./worker.js";
import { WorkerPool } from "./worker-pool.js";

export type { EncoderManifest } from "./manifest.js";
export { listEncoders, type RegisteredEncoder, spaceMistakes } from "./registry.js";

/** One content's vector, or why it has none; a broken picture costs that picture only.
 *
 * - `undecodable`: not a JPEG, PNG, WebP, GIF, AVIF or TIFF picture, not an MP4, QuickTime, WebM,
 *   Matroska or AVI video, or a damaged one.
 * - `too-large`: a picture above 50 megapixels or 64 MiB, found before it is decoded; a video above
 *   64 MiB, 9.4 megapixels, or 10 minutes.
 * - `timeout`: a video that took more than 30 s to decode.
 * - `no-decoder`: there is no ffmpeg, without which no video is encoded. It passes once there is one.
 * - `encoder`: the graph failed on it, gave no usable vector, or two workers died over it. */
export type EncodeResult =
  | { readonly vector: Float32Array }
  | {
      readonly failure: "undecodable" | "too-large" | "timeout" | "no-decoder" | "encoder";
      readonly detail: string;
    };

export interface EncodeOptions {
  /** Somebody waits for the answer. */
  readonly urgent?: boolean;
  readonly signal?: AbortSignal;
}

/** One encoder, ready to run. */
export interface Encoder {
  readonly manifest: EncoderManifest;
  /**
   * Texts for a text encoder, file bytes for one of images or videos; results in the same order.
   * Batches are formed inside, over concurrent calls too. A content's vector does not depend on
   * what else is encoded (to 1e-4). Vectors are L2-normalised where the manifest says so. Any
   * string is a text, the empty one included; long ones are cut.
   *
   * Urgent contents go before all others: they wait for the run that is under way, not for the
   * queue. What still waits when the signal aborts is not encoded, and the call rejects with the
   * signal's reason.
   *
   * Rejects with `invalid` (contents of the wrong kind), `overloaded` (more than `queueMax`
   * contents, or 64 urgent ones, would wait; none of this call's is taken) or `unavailable` (closed, also during
   * the call).
   */
  encode(
    contents: readonly (string | Uint8Array)[],
    options?: EncodeOptions,
  ): Promise<EncodeResult[]>;
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
  /** Folder with `manifest.json`, the graph and, for text, the tokenizer. An encoder of video
   * frames has the manifest alone, and its image encoder's folder beside it. */
  readonly directory: string;
  /** Worker threads, each with its own session and copy of the weights. */
  readonly workers: number;
  /** ONNX Runtime threads of one worker; `workers * threadsPerWorker` should not exceed the
   * cores. Default 1: two workers encode more than one worker with two threads. */
  readonly threadsPerWorker?: number;
  /** Rows of one run. Default 16, of pictures 4: more are no faster (two workers gave
   * 67 to 76 a second with 1 to 16 rows of EfficientNet-Lite0, without a trend), while each row
   * costs 13 MB of a worker's arena and an urgent content waits for all of them. */
  readonly batchMax?: number;
  /** Contents that may wait for a worker. Default 1024. */
  readonly queueMax?: number;
  /** Name or path of the program that decodes videos. Default `ffmpeg`. Without it everything else
   * works, and every video fails with `no-decoder`. */
  readonly ffmpeg?: string;
  readonly onEvent?: (event: EncoderEvent) => void;
  /** How a thread is started; tests get hold of threads here, to kill them. */
  readonly startWorker?: (file: URL, options: WorkerOptions) => Worker;
}

const ROWS_MAX = 16;
const PICTURES_MAX = 4;

/**
 * Checks the folder and starts the workers; each loads the graph, compares it with the manifest
 * and runs it twice.
 * @throws MarquetryError `not-found` (no manifest or file), `corrupt` (sha256 differs, no ONNX
 * graph) or `invalid` (the manifest has mistakes or the graph does not fit it, a line each)
 */
export async function openEncoder(options: EncoderOptions): Promise<Encoder> {
  const { directory, workers, threadsPerWorker = 1, queueMax = 1_024 } = options;
  const folder = await readEncoderFolder(directory);
  const { manifest } = folder;
  const { batchMax = manifest.modality === "image" ? PICTURES_MAX : ROWS_MAX } = options;
  for (const [field, value] of Object.entries({ workers, threadsPerWorker, batchMax, queueMax })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new MarquetryError("invalid", `${field} is ${value}; expected at least 1`, { field });
  }
  const start: WorkerStart = {
    folder,
    options: { threads: threadsPerWorker, batchMax, ffmpeg: options.ffmpeg ?? "ffmpeg" },
  };
  const startWorker = options.startWorker ?? ((file, settings) => new Worker(file, settings));
  const pool = await WorkerPool.open({
    workers,
    queueMax,
    taskMax: taskMax(manifest, batchMax),
    startWorker: () =>
      startWorker(new URL("./worker.js", import.meta.url), {
        workerData: start,
        name: manifest.id,
      }),
    onEvent: options.onEvent ?? (() => {}),
  });
  return {
    manifest,
    async encode(contents, encodeOptions = {}) {
      expectKind(contents, manifest);
      return pool.encode(contents, encodeOptions);
    },
    encodedTotal: () => pool.handed,
    close: () => pool.close(),
  };
}

/** Texts are sorted by length within a task, so it holds several batches; pictures are not. Videos
 * take a second or so each to decode, and are batches of frames in themselves. */
function taskMax({ modality }: EncoderManifest, batchMax: number): number {
  if (modality === "video") return 1;
  return modality === "text" ? 4 * batchMax : batchMax;
}

/**
 * Whether videos can be decoded here.
 * @throws MarquetryError `unavailable` that says what is wrong
 */
export async function checkVideoDecoder(ffmpeg: string): Promise<void> {
  const mistake = await ffmpegMistake(ffmpeg);
  if (mistake !== undefined) throw new MarquetryError("unavailable", `no decoder: ${mistake}`);
}

function expectKind(contents: readonly (string | Uint8Array)[], manifest: EncoderManifest): void {
  const text = manifest.modality === "text";
  const wrong = contents.findIndex((content) => (typeof content === "string") !== text);
  if (wrong === -1) return;
  const message = `${manifest.id} encodes ${text ? "texts" : `files of ${manifest.modality}s`}`;
  throw new MarquetryError("invalid", message, { field: `contents[${wrong}]` });
}
