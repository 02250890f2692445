/** Worker threads behind bounded queues. */
import type { Worker } from "node:worker_threads";
import { describeError, MarquetryError } from "@marquetry/runtime/errors";
import type { Content, EncodeOptions, EncodeResult, EncoderEvent } from "../encoder.js";
import { endWorker } from "./end-worker.js";
import type { FromWorker, ToWorker } from "./messages.js";

interface Item {
  readonly content: Content;
  /** True after a worker died over it: it then has a worker to itself, and once only. */
  suspect: boolean;
  readonly urgent: boolean;
  readonly signal: AbortSignal | undefined;
  readonly settle: (result: EncodeResult) => void;
  readonly fail: (error: unknown) => void;
}

interface Task {
  readonly items: readonly Item[];
  readonly startedAtMs: number;
}

interface Thread {
  readonly worker: Worker;
  ready: boolean;
  /** By the number that names it in the worker's answer. */
  readonly tasks: Map<number, Task>;
}

export interface WorkerPoolOptions {
  readonly workers: number;
  /** Contents of one task. */
  readonly taskMax: number;
  readonly queueMax: number;
  readonly startWorker: () => Worker;
  readonly onEvent: (event: EncoderEvent) => void;
}

/** A worker already has its next task, and prepares it, while it works on one. */
const TASKS_AHEAD = 2;
/** Urgent contents at a worker at once; it runs them one after the other. */
const URGENT_AHEAD = 4;
const URGENT_WAITING_MAX = 64;

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #threads = new Set<Thread>();
  readonly #suspects: Item[] = [];
  readonly #urgent: Item[] = [];
  readonly #queue: Item[] = [];
  #tasks = 0;
  #encoded = 0;
  #closing: Promise<void> | undefined;

  private constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** Starts all workers; if one fails, none stays running. */
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

  get encoded(): number {
    return this.#encoded;
  }

  /** Queues all contents or none. */
  encode(
    contents: readonly Content[],
    { urgent = false, signal }: EncodeOptions = {},
  ): Promise<EncodeResult[]> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const queue = urgent ? this.#urgent : this.#queue;
    const max = urgent ? URGENT_WAITING_MAX : this.#options.queueMax;
    if (queue.length + contents.length > max) {
      const message = `${queue.length} contents wait for the encoder, of ${max} at most`;
      return Promise.reject(new MarquetryError("overloaded", message));
    }
    const results = contents.map(
      (content) =>
        new Promise<EncodeResult>((settle, fail) => {
          queue.push({ content, suspect: false, urgent, signal, settle, fail });
        }),
    );
    signal?.addEventListener("abort", () => this.#giveUp(signal), { once: true });
    this.#dispatch();
    return Promise.all(results);
  }

  #giveUp(signal: AbortSignal): void {
    for (const queue of [this.#suspects, this.#urgent, this.#queue]) {
      const aborted = queue.filter((item) => item.signal === signal);
      if (aborted.length === 0) continue;
      queue.splice(0, queue.length, ...queue.filter((item) => item.signal !== signal));
      for (const item of aborted) item.fail(signal.reason);
    }
  }

  /** Whatever is not encoded yet is rejected at once; workers end after their running task. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const running = [...this.#threads].flatMap(itemsOf);
    for (const item of [...running, ...this.#takeAll()]) item.fail(closed());
    await Promise.all([...this.#threads].map(({ worker }) => endWorker(worker)));
  }

  /** Resolves when the worker has loaded and checked its model. */
  #start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = this.#options.startWorker();
      const thread: Thread = { worker, ready: false, tasks: new Map() };
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
    const task = thread.tasks.get(message.task);
    if (task === undefined) return;
    thread.tasks.delete(message.task);
    this.#encoded += message.encoded;
    const tookMs = performance.now() - task.startedAtMs;
    const { encoded } = message;
    this.#options.onEvent({ kind: "task-done", contents: task.items.length, encoded, tookMs });
    // First, so that the worker does not wait while callers handle the results.
    this.#dispatch();
    for (const [i, item] of task.items.entries()) item.settle(message.results[i]!);
  }

  /** Work of a dead worker is done once more, content by content, so that one which kills
   * workers costs only itself. */
  #lost(thread: Thread, detail: string): void {
    this.#threads.delete(thread);
    if (this.#closing !== undefined) return;
    const items = itemsOf(thread);
    if (thread.ready) {
      this.#options.onEvent({ kind: "worker-died", contents: items.length, detail });
    }
    for (const item of items) {
      if (item.suspect)
        item.settle({ failure: "encoder", detail: `a worker died twice: ${detail}` });
      else this.#suspects.push(Object.assign(item, { suspect: true }));
    }
    if (!thread.ready && this.#threads.size === 0) {
      // Replacements do not start either. The next call tries again.
      const failure = { failure: "encoder", detail: `no worker starts: ${detail}` } as const;
      for (const item of this.#takeAll()) item.settle(failure);
    }
    this.#dispatch();
  }

  /** Gives waiting work to workers. Dead ones are replaced here, hence only while there is work: a
   * worker that cannot live does not get restarted for ever. */
  #dispatch(): void {
    const waiting = this.#suspects.length + this.#urgent.length + this.#queue.length;
    if (waiting === 0 || this.#closing !== undefined) return;
    this.#replaceDead();
    const open = (): Thread[] => [...this.#threads].filter(isOpen);
    while (this.#suspects.length > 0) {
      const idle = open().find(({ tasks }) => tasks.size === 0);
      // No other work is handed out, or no worker might ever be idle.
      if (idle === undefined) return;
      this.#give(idle, this.#suspects.splice(0, 1));
    }
    while (this.#urgent.length > 0) {
      const [least] = open().toSorted((a, b) => tasksOf(a, true) - tasksOf(b, true));
      if (least === undefined || tasksOf(least, true) >= URGENT_AHEAD) break;
      this.#give(least, this.#urgent.splice(0, 1));
    }
    for (let ahead = 0; ahead < TASKS_AHEAD; ahead += 1) {
      const free = open().filter((thread) => tasksOf(thread, false) === ahead);
      for (const [i, thread] of free.entries()) {
        const share = Math.ceil(this.#queue.length / (free.length - i));
        const items = this.#queue.splice(0, Math.min(share, this.#options.taskMax));
        if (items.length > 0) this.#give(thread, items);
      }
    }
  }

  #give({ worker, tasks }: Thread, items: readonly Item[]): void {
    const task = this.#tasks;
    this.#tasks += 1;
    tasks.set(task, { items, startedAtMs: performance.now() });
    const contents = items.map(({ content }) =>
      // A copy that is moved: the original may be needed again, and a `Buffer` is often a view of a
      // larger pool, all of which would be cloned.
      typeof content === "string" ? content : new Uint8Array(content),
    );
    const moved = contents.flatMap((c) => (typeof c === "string" ? [] : [c.buffer]));
    const urgent = items.some((item) => item.urgent);
    const message: ToWorker = { kind: "encode", task, contents, urgent };
    worker.postMessage(message, moved);
  }

  #replaceDead(): void {
    for (let missing = this.#options.workers - this.#threads.size; missing > 0; missing -= 1) {
      this.#start().catch((thrown: unknown) => {
        if (this.#closing !== undefined) return;
        this.#options.onEvent({ kind: "worker-failed-to-start", detail: describeError(thrown) });
      });
    }
  }

  #takeAll(): Item[] {
    return [this.#suspects, this.#urgent, this.#queue].flatMap((queue) => queue.splice(0));
  }
}

function itemsOf({ tasks }: Thread): Item[] {
  return [...tasks.values()].flatMap(({ items }) => items);
}

/** A worker that runs a suspect takes nothing else, so that nothing else dies with it. */
function isOpen(thread: Thread): boolean {
  return thread.ready && !itemsOf(thread).some((item) => item.suspect);
}

function tasksOf({ tasks }: Thread, urgent: boolean): number {
  return [...tasks.values()].filter(({ items }) => items[0]?.urgent === urgent).length;
}

function closed(): MarquetryError {
  return new MarquetryError("unavailable", "the encoder is closed");
}
