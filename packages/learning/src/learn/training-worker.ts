/** Entry point of a training run's thread. */
import { parentPort, workerData } from "node:worker_threads";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { describeError, toMarquetryError } from "@marquetry/runtime/errors";
import type { ErrorCode } from "@marquetry/runtime/errors";
import { bestEpoch } from "./training-run.js";
import type { TrainingRun } from "./training-run.js";

export type FromTraining =
  | { readonly kind: "progress"; readonly line: string }
  | { readonly kind: "learned"; readonly vectors: Matrix }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };

function send(message: FromTraining): void {
  parentPort!.postMessage(message, []);
}

try {
  const { vectors } = bestEpoch(workerData as TrainingRun, (line) =>
    send({ kind: "progress", line }),
  );
  send({ kind: "learned", vectors });
} catch (thrown) {
  send({ kind: "failed", code: toMarquetryError(thrown).code, message: describeError(thrown) });
}
