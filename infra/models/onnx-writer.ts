/** Writes the few parts of the ONNX format (onnx.proto, IR version 8) that a convolutional network
 * needs: float32 tensors, nodes with integer attributes, one input and one output. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

export interface OnnxWeights {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface OnnxValue {
  readonly name: string;
  /** A string names a dimension that is known only when the graph runs. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxGraph {
  readonly name: string;
  readonly input: OnnxValue;
  readonly output: OnnxValue;
  /** In an order in which each node's inputs are known. */
  readonly nodes: readonly OnnxNode[];
  readonly weights: readonly OnnxWeights[];
}

const irVersion = 8;
const opsetVersion = 13;
const float32 = 1;

/** The same graph always gives the same bytes. */
export function writeOnnx(graph: OnnxGraph): Uint8Array {
  const model = new BinaryWriter();
  integer(model, 1, irVersion);
  text(model, 2, "marquetry");
  message(model, 7, () => writeGraph(model, graph));
  message(model, 8, () => {
    text(model, 1, "");
    integer(model, 2, opsetVersion);
  });
  return model.finish();
}

function writeGraph(out: BinaryWriter, graph: OnnxGraph): void {
  for (const node of graph.nodes) message(out, 1, () => writeNode(out, node));
  text(out, 2, graph.name);
  for (const weights of graph.weights) message(out, 5, () => writeWeights(out, weights));
  message(out, 11, () => writeValue(out, graph.input));
  message(out, 12, () => writeValue(out, graph.output));
}

function writeNode(out: BinaryWriter, node: OnnxNode): void {
  for (const input of node.inputs) text(out, 1, input);
  text(out, 2, node.output);
  text(out, 3, node.output);
  text(out, 4, node.op);
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    message(out, 5, () => writeAttribute(out, name, value));
  }
}

function writeAttribute(out: BinaryWriter, name: string, value: number | readonly number[]): void {
  const [integerKind, integersKind] = [2, 7];
  text(out, 1, name);
  if (typeof value === "number") integer(out, 3, value);
  else for (const item of value) integer(out, 8, item);
  integer(out, 20, typeof value === "number" ? integerKind : integersKind);
}

function writeWeights(out: BinaryWriter, { name, shape, data }: OnnxWeights): void {
  const size = shape.reduce((product, length) => product * length, 1);
  if (size !== data.length) throw new Error(`${name}: ${data.length} values for ${size} places`);
  for (const length of shape) integer(out, 1, length);
  integer(out, 2, float32);
  text(out, 8, name);
  out.tag(9, WireType.LengthDelimited);
  out.bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writeValue(out: BinaryWriter, value: OnnxValue): void {
  text(out, 1, value.name);
  message(out, 2, () =>
    message(out, 1, () => {
      integer(out, 1, float32);
      message(out, 2, () => {
        for (const length of value.shape) {
          message(out, 1, () =>
            typeof length === "number" ? integer(out, 1, length) : text(out, 2, length),
          );
        }
      });
    }),
  );
}

function integer(out: BinaryWriter, field: number, value: number): void {
  out.tag(field, WireType.Varint).int64(value);
}

function text(out: BinaryWriter, field: number, value: string): void {
  out.tag(field, WireType.LengthDelimited).string(value);
}

function message(out: BinaryWriter, field: number, write: () => void): void {
  out.tag(field, WireType.LengthDelimited).fork();
  write();
  out.join();
}
