/** Worker threads behind one bounded queue. */
import type { Worker } from "node:worker_threads";

import { describeError, MarquetryError } from "@marquetry/runtime/errors";

import type { EncodeResult, EncoderEvent } from "./inference.js";
import type { FromWorker, ToWorker } from "./worker.js";

type Content = string | Uint8Array;

interface Item {
  readonly content: Content;
  /** True after a worker died over it: it then runs alone, and once only. */
  suspect: boolean;
  readonly settle: (result: EncodeResult) => void;
  readonly fail: (error: MarquetryError) => void;
}

interface Thread {
  readonly worker: Worker;
  ready: boolean;
  running: readonly Item[];
  startedAtMs: number;
}

export interface WorkerPoolOptions {
  readonly workers: number;
  /** Contents given to a worker at once. */
  readonly taskMax: number;
  readonly queueMax: number;
  readonly startWorker: () => Worker;
  readonly onEvent: (event: EncoderEvent) => void;
}

/** Longest wait for a worker's running task at closing. */
const CLOSE_MS_MAX = 10_000;

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #threads = new Set<Thread>();
  readonly #queue: Item[] = [];
  #handed = 0;
  #closing: Promise<void> | undefined;

  private constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** Starts all workers; if one refuses, none is left running. */
  static async open(options: WorkerPoolOptions): Promise<WorkerPool> {
    const pool = new WorkerPool(options);
    const starts = Array.from({ length: options.workers }, () => pool.#start());
    const outcomes = await Promise.allSettled(starts);
    const refused = outcomes.find((outcome) => outcome.status === "rejected");
    if (refused !== undefined) {
      await pool.close();
      throw refused.reason;
    }
    return pool;
  }

  get handed(): number {
    return this.#handed;
  }

  /** Queues contents together or refuses them together. */
  encode(contents: readonly Content[]): Promise<EncodeResult[]> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    const { queueMax } = this.#options;
    if (this.#queue.length + contents.length > queueMax) {
      const message = `${this.#queue.length} contents wait for the encoder, of ${queueMax} at most`;
      return Promise.reject(new MarquetryError("overloaded", message));
    }
    const results = contents.map(
      (content) =>
        new Promise<EncodeResult>((settle, fail) => {
          this.#queue.push({ content, suspect: false, settle, fail });
        }),
    );
    this.#dispatch();
    return Promise.all(results);
  }

  /** Whatever is not encoded yet is rejected at once; workers end after their running task. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const running = [...this.#threads].flatMap((thread) => thread.running);
    for (const item of [...running, ...this.#queue.splice(0)]) item.fail(closed());
    await Promise.all([...this.#threads].map(({ worker }) => endWorker(worker)));
  }

  /** Resolves when the worker has loaded and checked its model. */
  #start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = this.#options.startWorker();
      const thread: Thread = { worker, ready: false, running: [], startedAtMs: 0 };
      let cause: unknown;
      this.#threads.add(thread);
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "encoded") return this.#finish(thread, message);
        if (message.kind === "refused") {
          return reject(new MarquetryError(message.code, message.message));
        }
        thread.ready = true;
        this.#options.onEvent({ kind: "worker-ready", batchMax: message.rowsMax });
        resolve();
        this.#dispatch();
      });
      worker.on("error", (error) => {
        cause = error;
      });
      worker.on("exit", (status) => {
        cause ??= new Error(`the worker ended with status ${status}`);
        reject(new MarquetryError("unavailable", "a worker died while it started", { cause }));
        this.#lost(thread, describeError(cause));
      });
    });
  }

  #finish(thread: Thread, message: Extract<FromWorker, { kind: "encoded" }>): void {
    const items = thread.running;
    thread.running = [];
    this.#handed += message.handed;
    const tookMs = performance.now() - thread.startedAtMs;
    const { handed } = message;
    this.#options.onEvent({ kind: "task-done", contents: items.length, handed, tookMs });
    for (const [i, item] of items.entries()) item.settle(message.results[i]!);
    this.#dispatch();
  }

  /** Work of a dead worker is done once more, content by content, so that one which kills
   * workers costs only itself. */
  #lost(thread: Thread, detail: string): void {
    this.#threads.delete(thread);
    if (this.#closing !== undefined) return;
    if (thread.ready) {
      this.#options.onEvent({ kind: "worker-died", contents: thread.running.length, detail });
    }
    const again: Item[] = [];
    for (const item of thread.running) {
      if (item.suspect)
        item.settle({ failure: "encoder", detail: `a worker died twice: ${detail}` });
      else again.push(Object.assign(item, { suspect: true }));
    }
    this.#queue.unshift(...again);
    if (!thread.ready && this.#threads.size === 0) {
      // Replacements do not start either. The next call tries again.
      const failure = { failure: "encoder", detail: `no worker starts: ${detail}` } as const;
      for (const item of this.#queue.splice(0)) item.settle(failure);
    }
    this.#dispatch();
  }

  /** Gives waiting work to idle workers in equal shares. Dead workers are replaced here, hence
   * only while there is work: a worker that cannot live does not get restarted for ever. */
  #dispatch(): void {
    if (this.#queue.length === 0 || this.#closing !== undefined) return;
    this.#replaceDead();
    const idle = [...this.#threads].filter(({ ready, running }) => ready && running.length === 0);
    for (const [i, thread] of idle.entries()) {
      const share = Math.ceil(this.#queue.length / (idle.length - i));
      const items = this.#take(Math.min(share, this.#options.taskMax));
      if (items.length === 0) return;
      thread.running = items;
      thread.startedAtMs = performance.now();
      const contents = items.map(({ content }) =>
        // A copy that is moved: the original may be needed again, and a `Buffer` is often a
        // view of a larger pool, all of which would be cloned.
        typeof content === "string" ? content : new Uint8Array(content),
      );
      const moved = contents.flatMap((c) => (typeof c === "string" ? [] : [c.buffer]));
      const message: ToWorker = { kind: "encode", contents };
      thread.worker.postMessage(message, moved);
    }
  }

  #replaceDead(): void {
    for (let missing = this.#options.workers - this.#threads.size; missing > 0; missing--) {
      this.#start().catch((thrown: unknown) => {
        if (this.#closing !== undefined) return;
        this.#options.onEvent({ kind: "worker-failed-to-start", detail: describeError(thrown) });
      });
    }
  }

  #take(max: number): Item[] {
    const suspect = this.#queue.findIndex((item) => item.suspect);
    if (suspect === 0) return this.#queue.splice(0, 1);
    return this.#queue.splice(0, suspect === -1 ? max : Math.min(max, suspect));
  }
}

function closed(): MarquetryError {
  return new MarquetryError("unavailable", "the encoder is closed");
}

/**
 * Lets the running task end. `terminate()` must never be used on a thread in ONNX Runtime: the
 * native code finds the call back into JavaScript refused, throws, and takes the whole process
 * down (`Napi::Error`, onnxruntime-node 1.30; every time). For the same reason threads have no
 * `resourceLimits`. One that does not end in time is left behind, and does not keep the process.
 */
function endWorker(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => {
      worker.unref();
      resolve();
    }, CLOSE_MS_MAX);
    worker.once("exit", () => {
      clearTimeout(deadline);
      resolve();
    });
    const message: ToWorker = { kind: "close" };
    worker.postMessage(message, []);
  });
}
