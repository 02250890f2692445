/** The bare loop on as many threads as the service has workers. */
import { on, once } from "node:events";
import { Worker } from "node:worker_threads";
import type { BareAnswer, BareStart, BareTask } from "./bare-worker.js";

export interface BareLoop {
  /** Texts, or paths of photos; vectors in their order. */
  encode(contents: readonly string[]): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** A thread has its next task at hand while it works on one, as the service's workers do: else it
 * would wait for this thread between the two. */
const TASKS_AHEAD = 2;

/** @param taskMax contents of one task; pictures among them are one batch */
export async function openBareLoop(
  directory: string,
  threads: number,
  taskMax: number,
): Promise<BareLoop> {
  const workers = Array.from({ length: threads }, () => {
    const workerData: BareStart = { directory };
    return new Worker(new URL("./bare-worker.js", import.meta.url), { workerData });
  });
  await Promise.all(workers.map((worker) => once(worker, "message")));
  return {
    async encode(contents) {
      const vectors: Float32Array[] = [];
      let next = 0;
      const post = (worker: Worker): boolean => {
        const task: BareTask = { start: next, contents: contents.slice(next, next + taskMax) };
        if (task.contents.length === 0) return false;
        next += taskMax;
        worker.postMessage(task, []);
        return true;
      };
      await Promise.all(
        workers.map(async (worker) => {
          let posted = 0;
          for (let ahead = 0; ahead < TASKS_AHEAD; ahead += 1) if (post(worker)) posted += 1;
          if (posted === 0) return;
          for await (const [answer] of on(worker, "message")) {
            const { start, vectors: batch } = answer as BareAnswer;
            for (const [i, vector] of batch.entries()) vectors[start + i] = vector;
            if (!post(worker)) posted -= 1;
            if (posted === 0) break;
          }
        }),
      );
      return vectors;
    },
    async close() {
      await Promise.all(
        workers.map(async (worker) => {
          worker.postMessage("close", []);
          await once(worker, "exit");
        }),
      );
    },
  };
}
