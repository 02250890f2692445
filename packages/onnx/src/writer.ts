/**
 * Writes ONNX graphs: the trainer's sequence models, the networks that `npm run models` converts, and
 * small ones on which tests know the right answer. It knows only as much of the protobuf wire format
 * and of onnx.proto3 as they need. IR version 8; the numbers of the fields are those of onnx.proto3.
 */
type Bytes = Uint8Array<ArrayBuffer>;

export interface TensorValue {
  readonly name: string;
  readonly type: "float32" | "int64";
  /** A string names a dimension that is known only when the graph runs. */
  readonly shape: readonly (number | string)[];
}

export interface Initializer {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export interface Node {
  /** What a graph's viewer shows. Default: none. */
  readonly name?: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Integers and lists of integers only. */
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

export interface Graph {
  /** Default: `marquetry`. */
  readonly name?: string;
  /** The program that wrote it. Default: not stated. */
  readonly producer?: string;
  /** Version of the operators. Default: 17. */
  readonly opset?: number;
  readonly inputs: readonly TensorValue[];
  readonly outputs: readonly TensorValue[];
  readonly initializers?: readonly Initializer[];
  /** In an order in which each node's inputs are known. */
  readonly nodes: readonly Node[];
}

const IR_VERSION = 8;

/**
 * Equal graphs give equal bytes.
 * @throws RangeError where an initializer has another number of values than its dims say
 */
export function onnxModel(graph: Graph): Bytes {
  const { name = "marquetry", producer, opset = 17, initializers = [] } = graph;
  const body = message(
    ...graph.nodes.map((node) => bytes(1, nodeProto(node))),
    text(2, name),
    ...initializers.map((tensor) => bytes(5, tensorProto(tensor))),
    ...graph.inputs.map((value) => bytes(11, valueInfo(value))),
    ...graph.outputs.map((value) => bytes(12, valueInfo(value))),
  );
  return message(
    integer(1, IR_VERSION),
    ...(producer === undefined ? [] : [text(2, producer)]),
    bytes(7, body),
    bytes(8, message(text(1, ""), integer(2, opset))),
  );
}

function nodeProto({ name, op, inputs, outputs, attributes = {} }: Node): Bytes {
  return message(
    ...inputs.map((input) => text(1, input)),
    ...outputs.map((output) => text(2, output)),
    ...(name === undefined ? [] : [text(3, name)]),
    text(4, op),
    ...Object.entries(attributes).map(([attribute, value]) =>
      typeof value === "number"
        ? bytes(5, message(text(1, attribute), integer(3, value), integer(20, 2)))
        : bytes(5, message(text(1, attribute), ...value.map((v) => integer(8, v)), integer(20, 7))),
    ),
  );
}

function tensorProto({ name, dims, data }: Initializer): Bytes {
  const length = dims.reduce((product, extent) => product * extent, 1);
  if (length !== data.length) {
    throw new RangeError(`${name}: ${data.length} values, but its dims hold ${length}`);
  }
  const raw = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  const type = data.BYTES_PER_ELEMENT === 4 ? FLOAT : INT64;
  return message(...dims.map((d) => integer(1, d)), integer(2, type), text(8, name), bytes(9, raw));
}

function valueInfo({ name, type, shape }: TensorValue): Bytes {
  const extents = shape.map((extent) =>
    bytes(1, typeof extent === "number" ? integer(1, extent) : text(2, extent)),
  );
  const elementType = integer(1, type === "float32" ? FLOAT : INT64);
  const tensor = message(elementType, bytes(2, message(...extents)));
  return message(text(1, name), bytes(2, bytes(1, tensor)));
}

const FLOAT = 1;
const INT64 = 7;

function message(...fields: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(fields.reduce((sum, field) => sum + field.length, 0));
  let at = 0;
  for (const field of fields) {
    whole.set(field, at);
    at += field.length;
  }
  return whole;
}

function integer(field: number, value: number): Bytes {
  return message(varint(field << 3), varint(value));
}

function bytes(field: number, value: Bytes): Bytes {
  return message(varint((field << 3) | 2), varint(value.length), value);
}

function text(field: number, value: string): Bytes {
  return bytes(field, new TextEncoder().encode(value));
}

/** Seven bits a byte, lowest first; values here are never negative. */
function varint(value: number): Bytes {
  const encoded: number[] = [];
  let rest = value;
  while (rest > 127) {
    encoded.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from([...encoded, rest]);
}
