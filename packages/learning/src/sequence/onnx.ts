/**
 * The trained block as an ONNX graph for one place, the newest. Inputs: `vectors` [N, L, d], oldest
 * first, with zeros before the oldest, and `present` [N, L], 1 where there is an interaction and
 * 0 before the oldest. Output: `interest` [N, d], rows of length 1.
 */
import { onnxModel } from "@marquetry/onnx/writer";
import type { Initializer, Node } from "@marquetry/onnx/writer";
import { SEQUENCE_INPUTS, SEQUENCE_OUTPUT } from "@marquetry/inference/sequence/graph-names";
import type { Parameters } from "../training/parameters.js";
import { nameOf } from "./parameters.js";
import type { SequenceShape } from "./parameters.js";

/** Takes the place of -infinity, by which the weight is 0 in float32 as well. */
const ABSENT = 1e9;
/** Keeps a sum of length 0, which has no direction, from becoming NaN. */
const LENGTH_MIN = 1e-12;

/** @returns the bytes of the ONNX model; equal models give equal bytes */
export function sequenceGraph(
  shape: SequenceShape,
  parameters: Parameters,
): Uint8Array<ArrayBuffer> {
  const { dims, historyMax } = shape;
  const { vectors, present } = SEQUENCE_INPUTS;
  return onnxModel({
    inputs: [
      { name: vectors, type: "float32", shape: ["N", historyMax, dims] },
      { name: present, type: "float32", shape: ["N", historyMax] },
    ],
    outputs: [{ name: SEQUENCE_OUTPUT, type: "float32", shape: ["N", dims] }],
    initializers: [...weights(shape, parameters), ...constants(shape)],
    nodes: [
      ...baseNodes(),
      ...attentionNodes(),
      ...feedNodes(),
      ...unitNodes("sum", SEQUENCE_OUTPUT),
    ],
  });
}

/** The names of outputs are in the bytes of a bundle: a new name is a new digest. */
function node(op: string, inputs: readonly string[], output: string, attributes = {}): Node {
  return { op, inputs, outputs: [output], attributes };
}

/** b = norm(g * decays x) */
function baseNodes(): Node[] {
  return [
    node("MatMul", ["decays", SEQUENCE_INPUTS.vectors], "pooled"),
    node("Mul", ["pooled", nameOf.gain], "turned"),
    node("Reshape", ["turned", "rows"], "base-sum"),
    ...unitNodes("base-sum", "base"),
  ];
}

/** h = b + attention W_o, the newest place alone asking. */
function attentionNodes(): Node[] {
  const split = (from: string, name: string, shape: string, perm: number[]): Node[] => [
    node("MatMul", [from, nameOf[name as "query" | "key" | "value"]], `${name}-all`),
    node("Reshape", [`${name}-all`, shape], `${name}-split`),
    node("Transpose", [`${name}-split`], `${name}-heads`, { perm }),
  ];
  return [
    norm(1, SEQUENCE_INPUTS.vectors, "first"),
    node("Gather", ["first", "newest"], "asking", { axis: 1 }),
    ...split("asking", "query", "split-one", [0, 2, 1, 3]),
    ...split("first", "key", "split", [0, 2, 3, 1]),
    ...split("first", "value", "split", [0, 2, 1, 3]),
    node("MatMul", ["query-heads", "key-heads"], "products"),
    node("Mul", ["products", "factor"], "scaled"),
    node("Add", ["scaled", "recency"], "recent"),
    node("Sub", [SEQUENCE_INPUTS.present, "one"], "absent"),
    node("Mul", ["absent", "far"], "absent-far"),
    node("Reshape", ["absent-far", "mask-shape"], "mask"),
    node("Add", ["recent", "mask"], "scores"),
    node("Softmax", ["scores"], "attended", { axis: 3 }),
    node("MatMul", ["attended", "value-heads"], "context-heads"),
    // [N, heads, 1, width]: the heads' parts already stand beside one another.
    node("Reshape", ["context-heads", "rows"], "context"),
    node("MatMul", ["context", nameOf.out], "added"),
    node("Add", ["base", "added"], "h"),
  ];
}

function feedNodes(): Node[] {
  return [
    norm(2, "h", "second"),
    node("MatMul", ["second", nameOf.feedIn], "raised"),
    node("Add", ["raised", nameOf.feedInBias], "biased"),
    node("Relu", ["biased"], "hidden"),
    node("MatMul", ["hidden", nameOf.feedOut], "lowered"),
    node("Add", ["lowered", nameOf.feedOutBias], "feed"),
    node("Add", ["h", "feed"], "sum"),
  ];
}

/** With the default epsilon, which is NORM_EPSILON. */
function norm(layer: 1 | 2, input: string, output: string): Node {
  const inputs = [input, nameOf.scale(layer), nameOf.shift(layer)];
  return node("LayerNormalization", inputs, output, { axis: layer === 1 ? 2 : 1 });
}

function unitNodes(input: string, output: string): Node[] {
  return [
    node("ReduceL2", [input], `${output}-length`, { axes: [1], keepdims: 1 }),
    node("Max", [`${output}-length`, "length-min"], `${output}-divisor`),
    node("Div", [input, `${output}-divisor`], output),
  ];
}

function weights({ dims, heads, hidden, historyMax }: SequenceShape, parameters: Parameters) {
  const square = [dims, dims];
  const shapes: Record<string, readonly number[]> = {
    [nameOf.gain]: [dims],
    [nameOf.scale(1)]: [dims],
    [nameOf.shift(1)]: [dims],
    [nameOf.query]: square,
    [nameOf.key]: square,
    [nameOf.value]: square,
    [nameOf.out]: square,
    [nameOf.scale(2)]: [dims],
    [nameOf.shift(2)]: [dims],
    [nameOf.feedIn]: [dims, hidden],
    [nameOf.feedInBias]: [hidden],
    [nameOf.feedOut]: [hidden, dims],
    [nameOf.feedOutBias]: [dims],
  };
  const recency = parameters[nameOf.recency]!;
  return [
    ...Object.entries(shapes).map(([name, extents]): Initializer => ({
      name,
      dims: extents,
      data: parameters[name]!,
    })),
    {
      name: "recency",
      dims: [1, heads, 1, historyMax],
      // Ours is by how far back, the graph's by place.
      data: recency.map((_, i) => {
        const place = i % historyMax;
        return recency[i - place + (historyMax - 1 - place)]!;
      }),
    },
  ];
}

function constants({ dims, heads, historyMax, decay }: SequenceShape): Initializer[] {
  const number = (name: string, value: number): Initializer => ({
    name,
    dims: [1],
    data: Float32Array.of(value),
  });
  const integers = (name: string, ...values: number[]): Initializer => ({
    name,
    dims: [values.length],
    data: BigInt64Array.from(values, BigInt),
  });
  const width = dims / heads;
  return [
    {
      name: "decays",
      dims: [1, historyMax],
      data: Float32Array.from({ length: historyMax }, (_, s) => decay ** (historyMax - 1 - s)),
    },
    number("factor", 1 / Math.sqrt(width)),
    number("one", 1),
    number("far", ABSENT),
    number("length-min", LENGTH_MIN),
    integers("newest", historyMax - 1),
    // 0 keeps the number of rows.
    integers("split-one", 0, 1, heads, width),
    integers("split", 0, historyMax, heads, width),
    integers("mask-shape", 0, 1, 1, historyMax),
    integers("rows", 0, dims),
  ];
}
