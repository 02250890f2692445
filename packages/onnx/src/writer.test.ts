import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { onnxModel } from "./writer.js";

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("ONNX graphs", () => {
  // Digests of encoders and of bundles stand on these bytes.
  test("a graph with names, a producer and an operator set of its own has the bytes it always had", () => {
    const model = onnxModel({
      name: "small",
      producer: "marquetry",
      opset: 13,
      inputs: [{ name: "image", type: "float32", shape: ["N", 3, 300] }],
      outputs: [{ name: "embedding", type: "float32", shape: ["N", 2] }],
      nodes: [
        { name: "clipped", op: "Clip", inputs: ["image", "zero", "six"], outputs: ["clipped"] },
        {
          name: "embedding",
          op: "Conv",
          inputs: ["clipped", "weight"],
          outputs: ["embedding"],
          attributes: { group: 1, pads: [0, 0, 1, 1] },
        },
      ],
      initializers: [
        { name: "zero", dims: [], data: Float32Array.of(0) },
        { name: "six", dims: [], data: Float32Array.of(6) },
        { name: "weight", dims: [2, 3], data: Float32Array.of(1, 2, 3, -4, 0.5, 6) },
      ],
    });
    expect(digestOf(model)).toBe(
      "ba50f4ddb40e2f48449c694e8a622e426ecd5341103ee3332ab61a8fb9c356ff",
    );
  });

  test("a graph without them has the bytes it always had", () => {
    const model = onnxModel({
      inputs: [{ name: "ids", type: "int64", shape: ["N", 3] }],
      outputs: [{ name: "sum", type: "float32", shape: ["N", 200] }],
      nodes: [
        { op: "Gather", inputs: ["table", "ids"], outputs: ["rows"] },
        {
          op: "ReduceSum",
          inputs: ["rows", "axes"],
          outputs: ["sum"],
          attributes: { keepdims: 0, perm: [0, 1] },
        },
      ],
      initializers: [
        {
          name: "table",
          dims: [2, 200],
          data: Float32Array.from({ length: 400 }, (_, i) => i / 8),
        },
        { name: "axes", dims: [1], data: BigInt64Array.of(1n) },
      ],
    });
    expect(digestOf(model)).toBe(
      "92dc07b287ed590c712a58eb8d384cf7366be846fd8ab086edd4a533327a3811",
    );
  });

  test("values that do not fill their dims are refused", () => {
    const initializers = [{ name: "weight", dims: [2, 3], data: Float32Array.of(1, 2) }];
    expect(() => onnxModel({ inputs: [], outputs: [], nodes: [], initializers })).toThrow(
      "weight: 2 values, but its dims hold 6",
    );
  });
});
