/**
 * One ONNX graph in ONNX Runtime. Only worker threads may load this file: a run is a synchronous
 * native call that blocks its thread (8 x 128 tokens: about 180 ms).
 */
import { InferenceSession, Tensor } from "onnxruntime-node";

/** An input or output as the graph declares it; a symbolic dimension has its name. */
export interface TensorInfo {
  readonly name: string;
  readonly type: string;
  /** Empty where the graph does not declare a shape. */
  readonly shape: readonly (number | string)[];
}

export type Feed =
  | { readonly type: "int64"; readonly data: BigInt64Array; readonly dims: readonly number[] }
  | { readonly type: "float32"; readonly data: Float32Array; readonly dims: readonly number[] };

export interface GraphOutput {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

export interface OnnxGraph {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  run(feeds: Readonly<Record<string, Feed>>, output: string): Promise<GraphOutput>;
  release(): Promise<void>;
}

/** Loads the graph from a file or from its bytes; `threads` is stated because ONNX Runtime would else count the host's cores
 * and not those of the container. */
export async function openGraph(model: string | Uint8Array, threads: number): Promise<OnnxGraph> {
  const session = await InferenceSession.create(model as string, {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // A memory pattern is kept per input shape and texts come in many; the arena is reused
    // whatever the shape and is bounded by the largest batch.
    enableMemPattern: false,
    enableCpuMemArena: true,
    // Fatal only: errors of a run are thrown as well, and end up in the content's result.
    logSeverityLevel: 4,
  });
  return {
    inputs: session.inputMetadata.map(tensorInfo),
    outputs: session.outputMetadata.map(tensorInfo),
    async run(feeds, output) {
      const tensors: Record<string, Tensor> = {};
      for (const [name, feed] of Object.entries(feeds)) {
        tensors[name] =
          feed.type === "int64"
            ? new Tensor("int64", feed.data, feed.dims)
            : new Tensor("float32", feed.data, feed.dims);
      }
      const tensor = (await session.run(tensors, [output]))[output];
      if (tensor?.type !== "float32") throw new Error(`output "${output}" is not float32`);
      return { data: tensor.data as Float32Array, dims: tensor.dims };
    },
    release: () => session.release(),
  };
}

function tensorInfo(value: InferenceSession.ValueMetadata): TensorInfo {
  if (!value.isTensor) return { name: value.name, type: "not a tensor", shape: [] };
  return { name: value.name, type: value.type, shape: value.shape };
}
