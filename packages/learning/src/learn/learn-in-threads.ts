/** Training runs side by side, each in a thread of its own. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { FromTraining } from "./training-worker.js";
import type { TrainingRun } from "./training-run.js";

/**
 * At most as many at once as there are cores. A run gives the same bits as on its own, whatever runs
 * beside it.
 * @returns the vectors of each run's best epoch
 * @throws what the first run throws that fails; the others are then ended
 */
export async function learnInThreads(
  runs: readonly TrainingRun[],
  report: (line: string) => void,
): Promise<Matrix[]> {
  const learned: Matrix[] = [];
  const waiting = runs.entries();
  const workers = new Set<Worker>();
  async function learnNext(): Promise<void> {
    for (const [at, run] of waiting) {
      const worker = new Worker(new URL("./training-worker.js", import.meta.url), {
        workerData: run,
      });
      workers.add(worker);
      learned[at] = await vectorsOf(worker, report);
      workers.delete(worker);
    }
  }
  try {
    await Promise.all(Array.from({ length: availableParallelism() }, learnNext));
  } finally {
    await Promise.all(Array.from(workers, (worker) => worker.terminate()));
  }
  return learned;
}

function vectorsOf(worker: Worker, report: (line: string) => void): Promise<Matrix> {
  return new Promise((resolve, reject) => {
    worker.on("message", (message: FromTraining) => {
      if (message.kind === "progress") report(message.line);
      else if (message.kind === "learned") resolve(message.vectors);
      else reject(new MarquetryError(message.code, message.message));
    });
    worker.once("error", reject);
    worker.once("exit", (status) =>
      reject(new MarquetryError("internal", `a training thread ended with status ${status}`)),
    );
  });
}
