/**
 * A bundle's sequence model: the interest after the newest of some interactions, by ONNX Runtime in a
 * worker thread of its own, so that the event loop stays free.
 */
import { Worker } from "node:worker_threads";
import type { WorkerOptions } from "node:worker_threads";
import { describeError, MarquetryError } from "@marquetry/runtime/errors";
import { endWorker } from "../workers/end-worker.js";
import type { FromSequenceWorker, SequenceWorkerStart, ToSequenceWorker } from "./messages.js";

export interface SequenceModelOptions {
  /** The ONNX graph. */
  readonly graph: Uint8Array;
  /** L: of longer histories only the newest interactions count. */
  readonly historyMax: number;
  /** d. */
  readonly dims: number;
  /** ONNX Runtime threads. Default: 1. */
  readonly threads?: number;
  /** Histories of one run. Default: 64. */
  readonly rowsMax?: number;
  /** Histories that may wait. Default: 4,096. */
  readonly queueMax?: number;
  /** How the thread is started; tests get hold of it here, to kill it. */
  readonly startWorker?: (file: URL, options: WorkerOptions) => Worker;
}

export interface SequenceModel {
  /**
   * Histories of vectors, oldest first, at least one each; interests in the same order. Runs are
   * formed over concurrent calls too. Rejects with `overloaded` (more than `queueMax` would wait;
   * none of this call's is queued), `invalid` (an empty history, a vector of another length) or
   * `unavailable` (closed, or the thread died; the next call starts another).
   */
  run(histories: readonly (readonly Float32Array[])[]): Promise<Float32Array[]>;
  /** Rejects what waits and ends the thread after its running task. Idempotent. */
  close(): Promise<void>;
}

interface Waiting {
  readonly vectors: readonly Float32Array[];
  readonly resolve: (interest: Float32Array) => void;
  readonly reject: (error: unknown) => void;
}

/** Starts the thread and checks the graph's inputs and output by a run.
 * @throws MarquetryError `corrupt` (no ONNX graph) or `invalid` (other inputs or sizes) */
export async function openSequenceModel(options: SequenceModelOptions): Promise<SequenceModel> {
  const model = new ThreadedSequence(options);
  try {
    const [interest] = await model.run([[new Float32Array(options.dims).fill(1)]]);
    if (interest?.every(Number.isFinite) !== true) {
      throw new MarquetryError("invalid", "the sequence graph gives no finite interest");
    }
  } catch (error) {
    await model.close();
    throw error;
  }
  return model;
}

class ThreadedSequence implements SequenceModel {
  readonly #options: Required<SequenceModelOptions>;
  readonly #queue: Waiting[] = [];
  #running: readonly Waiting[] = [];
  #worker: Worker | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SequenceModelOptions) {
    this.#options = {
      threads: 1,
      rowsMax: 64,
      queueMax: 4_096,
      startWorker: (file, settings) => new Worker(file, settings),
      ...options,
    };
  }

  async run(histories: readonly (readonly Float32Array[])[]): Promise<Float32Array[]> {
    const { dims, queueMax } = this.#options;
    if (this.#closing !== undefined) throw closed();
    for (const [i, vectors] of histories.entries()) {
      if (vectors.length > 0 && vectors.every(({ length }) => length === dims)) continue;
      const message = `history ${i}: expected at least one vector, each of ${dims} elements`;
      throw new MarquetryError("invalid", message);
    }
    if (this.#queue.length + histories.length > queueMax) {
      const message = `${this.#queue.length} histories wait for the sequence model, of ${queueMax} at most`;
      throw new MarquetryError("overloaded", message);
    }
    const interests = histories.map(
      (vectors) =>
        new Promise<Float32Array>((resolve, reject) => {
          this.#queue.push({ vectors, resolve, reject });
        }),
    );
    // Calls of the same turn of the event loop share the run.
    setImmediate(() => this.#next());
    return Promise.all(interests);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const { reject } of [...this.#running, ...this.#queue.splice(0)]) reject(closed());
    this.#running = [];
    if (this.#worker !== undefined) await endWorker(this.#worker);
  }

  /** One run at a time: meanwhile the next one fills up. */
  #next(): void {
    if (this.#closing !== undefined) return;
    if (this.#running.length > 0 || this.#queue.length === 0) return;
    const { rowsMax, historyMax, dims } = this.#options;
    this.#running = this.#queue.splice(0, rowsMax);
    const rows = this.#running.length;
    const vectors = new Float32Array(rows * historyMax * dims);
    const present = new Float32Array(rows * historyMax);
    for (const [i, waiting] of this.#running.entries()) {
      const newest = waiting.vectors.slice(-historyMax);
      const first = i * historyMax + historyMax - newest.length;
      for (const [t, vector] of newest.entries()) {
        vectors.set(vector, (first + t) * dims);
        present[first + t] = 1;
      }
    }
    const message: ToSequenceWorker = { kind: "run", rows, vectors, present };
    this.#worker ??= this.#start();
    this.#worker.postMessage(message, [vectors.buffer, present.buffer]);
  }

  #start(): Worker {
    const { graph, threads, historyMax, dims, startWorker } = this.#options;
    const workerData: SequenceWorkerStart = { graph, threads, historyMax, dims };
    const worker = startWorker(new URL("./worker.js", import.meta.url), {
      workerData,
      name: "sequence",
    });
    let cause: unknown;
    worker.on("message", (message: FromSequenceWorker) => this.#done(message));
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", () => {
      if (this.#worker === worker) this.#worker = undefined;
      const detail = cause === undefined ? "it ended" : describeError(cause);
      const error = new MarquetryError(
        "unavailable",
        `the sequence model's thread died: ${detail}`,
      );
      const lost = this.#running;
      this.#running = [];
      for (const { reject } of lost) reject(error);
      this.#next();
    });
    return worker;
  }

  #done(message: FromSequenceWorker): void {
    const finished = this.#running;
    this.#running = [];
    this.#next();
    if (message.kind === "failed") {
      const error = new MarquetryError(message.code, message.message);
      for (const { reject } of finished) reject(error);
      return;
    }
    const { dims } = this.#options;
    for (const [i, { resolve }] of finished.entries()) {
      resolve(message.interests.slice(i * dims, (i + 1) * dims));
    }
  }
}

function closed(): MarquetryError {
  return new MarquetryError("unavailable", "the sequence model is closed");
}
