/** The bare loop on as many threads as the service has workers. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { BareStart } from "./bare-worker.js";

export interface BareLoop {
  /** Texts, or paths of photos; vectors in their order. */
  encode(contents: readonly string[]): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** @param taskMax contents that a thread takes at once; pictures among them are one batch */
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
      await Promise.all(
        workers.map(async (worker) => {
          while (next < contents.length) {
            const start = next;
            next += taskMax;
            worker.postMessage(contents.slice(start, start + taskMax), []);
            const [batch] = (await once(worker, "message")) as [Float32Array[]];
            for (const [i, vector] of batch.entries()) vectors[start + i] = vector;
          }
        }),
      );
      return vectors;
    },
    async close() {
      await Promise.all(
        workers.map(async (worker) => {
          worker.postMessage([], []);
          await once(worker, "exit");
        }),
      );
    },
  };
}
