/** Entry point of a worker thread: one model, a few tasks at a time. */
import { parentPort, workerData } from "node:worker_threads";
import { describeError, toMarquetryError } from "@marquetry/runtime/errors";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.js";
import { openModel } from "./model.js";
import type { Model } from "./model.js";

const port = parentPort!;
const { folder, options } = workerData as WorkerStart;

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function serve(model: Model): void {
  port.on("message", (message: ToWorker) => {
    if (message.kind === "close") {
      // With its port closed nothing keeps the thread alive.
      void model.release().finally(() => port.close());
      return;
    }
    // `encode` turns whatever goes wrong with a content into its result; if it throws all the
    // same, the thread ends by the unhandled rejection and is replaced.
    const { task, contents, urgent } = message;
    void model.encode(contents, urgent).then(({ results, encoded }) => {
      const vectors = results.flatMap((result) => ("vector" in result ? [result.vector] : []));
      send(
        { kind: "encoded", task, results, encoded },
        vectors.map((v) => v.buffer as ArrayBuffer),
      );
    });
  });
  send({ kind: "ready", rowsMax: model.rowsMax });
}

openModel(folder, options).then(serve, (thrown: unknown) => {
  const { code, message } = toMarquetryError(thrown);
  send({ kind: "refused", code, message: code === "internal" ? describeError(thrown) : message });
  port.close();
});
