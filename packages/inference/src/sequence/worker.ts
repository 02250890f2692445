/** Entry point of the sequence model's thread. */
import { parentPort, workerData } from "node:worker_threads";
import { describeError, MarquetryError, toMarquetryError } from "@marquetry/runtime/errors";
import { openGraph } from "../onnx/onnx-graph.js";
import type { OnnxGraph } from "../onnx/onnx-graph.js";
import { SEQUENCE_INPUTS, SEQUENCE_OUTPUT } from "./graph-names.js";
import type { FromSequenceWorker, SequenceWorkerStart, ToSequenceWorker } from "./messages.js";

const port = parentPort!;
const { graph, threads, historyMax, dims } = workerData as SequenceWorkerStart;

const opened = openGraph(graph, threads).catch((cause: unknown) => {
  throw new MarquetryError("corrupt", "the sequence model is no ONNX graph", { cause });
});
// Every run rejects with it.
opened.catch(() => undefined);

async function run({ rows, vectors, present }: Extract<ToSequenceWorker, { kind: "run" }>) {
  const model = await opened;
  assertFits(model);
  const { data, dims: extents } = await model.run(
    {
      [SEQUENCE_INPUTS.vectors]: { type: "float32", data: vectors, dims: [rows, historyMax, dims] },
      [SEQUENCE_INPUTS.present]: { type: "float32", data: present, dims: [rows, historyMax] },
    },
    SEQUENCE_OUTPUT,
  );
  if (extents.length !== 2 || extents[0] !== rows || extents[1] !== dims) {
    const message = `the sequence graph: expected [${rows}, ${dims}], got [${extents.join(", ")}]`;
    throw new MarquetryError("invalid", message);
  }
  return data;
}

function assertFits({ inputs, outputs }: OnnxGraph): void {
  const expected = {
    [SEQUENCE_INPUTS.vectors]: [historyMax, dims],
    [SEQUENCE_INPUTS.present]: [historyMax],
  };
  for (const [name, extents] of Object.entries(expected)) {
    const shape = inputs.find((input) => input.name === name)?.shape.slice(1);
    if (shape?.join() === extents.join()) continue;
    const got = shape === undefined ? "no such input" : `[N, ${shape.join(", ")}]`;
    const message = `the sequence graph's ${name}: expected [N, ${extents.join(", ")}], got ${got}`;
    throw new MarquetryError("invalid", message);
  }
  if (outputs.some(({ name }) => name === SEQUENCE_OUTPUT)) return;
  throw new MarquetryError("invalid", `the sequence graph has no output ${SEQUENCE_OUTPUT}`);
}

function send(message: FromSequenceWorker): void {
  port.postMessage(message, []);
}

port.on("message", (message: ToSequenceWorker) => {
  if (message.kind === "close") {
    // With its port closed nothing keeps the thread alive.
    void opened
      .then((model) => model.release())
      .catch(() => undefined)
      .finally(() => port.close());
    return;
  }
  run(message).then(
    (interests) => send({ kind: "interests", interests }),
    (thrown: unknown) => {
      const { code, message: text } = toMarquetryError(thrown);
      send({ kind: "failed", code, message: code === "internal" ? describeError(thrown) : text });
    },
  );
});
