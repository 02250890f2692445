/** A small sequence model whose right answer is known: the normalised sum of decay^(newer ones) v. */
import { onnxModel } from "@marquetry/onnx/writer";

/** What services feed and read, as `packages/inference/src/sequence` documents it. */
const SEQUENCE_INPUTS = { vectors: "vectors", present: "present" };
const SEQUENCE_OUTPUT = "interest";

/** Sizes of the model, and the weight of an interaction relative to the next newer one. */
export interface RecencyGraph {
  readonly historyMax: number;
  readonly dims: number;
  readonly decay: number;
}

/** The ONNX graph of the model above. */
export function recencyGraph({ historyMax, dims, decay }: RecencyGraph): Uint8Array<ArrayBuffer> {
  const { vectors, present } = SEQUENCE_INPUTS;
  return onnxModel({
    inputs: [
      { name: vectors, type: "float32", shape: ["N", historyMax, dims] },
      { name: present, type: "float32", shape: ["N", historyMax] },
    ],
    outputs: [{ name: SEQUENCE_OUTPUT, type: "float32", shape: ["N", dims] }],
    initializers: [
      {
        name: "decays",
        dims: [historyMax],
        data: Float32Array.from({ length: historyMax }, (_, t) => decay ** (historyMax - 1 - t)),
      },
      { name: "as-row", dims: [3], data: BigInt64Array.of(0n, 1n, BigInt(historyMax)) },
      { name: "as-vector", dims: [2], data: BigInt64Array.of(0n, BigInt(dims)) },
    ],
    nodes: [
      { op: "Mul", inputs: [present, "decays"], outputs: ["weights"] },
      { op: "Reshape", inputs: ["weights", "as-row"], outputs: ["row"] },
      { op: "MatMul", inputs: ["row", vectors], outputs: ["summed"] },
      { op: "Reshape", inputs: ["summed", "as-vector"], outputs: ["sum"] },
      {
        op: "ReduceL2",
        inputs: ["sum"],
        outputs: ["length"],
        attributes: { axes: [1], keepdims: 1 },
      },
      { op: "Div", inputs: ["sum", "length"], outputs: [SEQUENCE_OUTPUT] },
    ],
  });
}
