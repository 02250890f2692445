import type { Worker } from "node:worker_threads";

/** Longest wait for the running task. */
const END_MS_MAX = 10_000;

/**
 * Asks a worker to close and lets its running task end. `terminate()` must never be used on a
 * thread in ONNX Runtime: the native code finds the call back into JavaScript refused, throws, and
 * takes the whole process down (`Napi::Error`, onnxruntime-node 1.30; every time). For the same
 * reason threads have no `resourceLimits`. One that does not end in time goes on, and
 * does not keep the process alive.
 */
export function endWorker(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => {
      worker.unref();
      resolve();
    }, END_MS_MAX);
    worker.once("exit", () => {
      clearTimeout(deadline);
      resolve();
    });
    worker.postMessage({ kind: "close" }, []);
  });
}
