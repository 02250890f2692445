/** Opens an encoder's folder and starts its workers. */
import { Worker } from "node:worker_threads";
import type { WorkerOptions } from "node:worker_threads";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { Content, Encoder, EncoderEvent } from "./encoder.js";
import { readEncoderFolder } from "./manifest.js";
import type { EncoderManifest } from "./manifest.js";
import type { WorkerStart } from "./workers/messages.js";
import { WorkerPool } from "./workers/worker-pool.js";

export interface EncoderOptions {
  /** Folder with `manifest.json`, the graph and, for text, the tokenizer. An encoder of video
   * frames has the manifest alone, and its image encoder's folder beside it. */
  readonly directory: string;
  /** Worker threads, each with its own session and copy of the weights. */
  readonly workers: number;
  /** ONNX Runtime threads of one worker; `workers * threadsPerWorker` should not exceed the
   * cores. Default: 1; two workers encode more than one worker with two threads. */
  readonly threadsPerWorker?: number;
  /** Rows of one run. Default: 16, of pictures 4; more are no faster (two workers gave
   * 67 to 76 a second with 1 to 16 rows of EfficientNet-Lite0, without a trend), while each row
   * costs 13 MB of a worker's arena and an urgent content waits for all of them. */
  readonly batchMax?: number;
  /** Contents that may wait for a worker. Default: 1,024. */
  readonly queueMax?: number;
  /** Name or path of the program that decodes videos. Default: `ffmpeg`. Without it everything else
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
      startWorker(new URL("./workers/worker.js", import.meta.url), {
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
    encodedTotal: () => pool.encoded,
    close: () => pool.close(),
  };
}

/** Texts are sorted by length within a task, so it holds several batches; pictures are not. Videos
 * take a second or so each to decode, and are batches of frames in themselves. */
function taskMax({ modality }: EncoderManifest, batchMax: number): number {
  if (modality === "video") return 1;
  return modality === "text" ? 4 * batchMax : batchMax;
}

function expectKind(contents: readonly Content[], manifest: EncoderManifest): void {
  const text = manifest.modality === "text";
  const wrong = contents.findIndex((content) => (typeof content === "string") !== text);
  if (wrong === -1) return;
  const message = `${manifest.id} encodes ${text ? "texts" : `files of ${manifest.modality}s`}`;
  throw new MarquetryError("invalid", message, { field: `contents[${wrong}]` });
}
