/**
 * The safetensors file format, for three of its element types: 8 bytes with the header's length
 * (little-endian unsigned), the header (JSON: name -> dtype, shape, data_offsets), then the tensors'
 * bytes (github.com/huggingface/safetensors, "Format").
 */
import { vectorFromBytes, vectorToBytes } from "../vectors/vector.js";

/** By the format's name of the element type. */
export interface TensorTypes {
  readonly F32: Float32Array;
  readonly I32: Int32Array;
  readonly U8: Uint8Array;
}

export type Dtype = keyof TensorTypes;
export type TensorData = TensorTypes[Dtype];

export interface Tensor<Data extends TensorData = Float32Array> {
  /** Sides, outermost first; each at least 1. */
  readonly shape: readonly number[];
  /** Row-major; as long as the product of the sides. */
  readonly data: Data;
}

/** The format's metadata field, which is no tensor. */
const METADATA = "__metadata__";
const LENGTH_BYTES = 8;
const SPACE = 0x20;
const HEADER_BYTES_MAX = 16 * 1024 * 1024;
const DTYPES = ["F32", "I32", "U8"] as const satisfies readonly Dtype[];
const ELEMENT_BYTES = { F32: 4, I32: 4, U8: 1 } as const satisfies Record<Dtype, number>;

export function dtypeOf(data: TensorData): Dtype {
  const name = data[Symbol.toStringTag];
  if (name === "Float32Array") return "F32";
  return name === "Int32Array" ? "I32" : "U8";
}

export function hasDtype<Type extends Dtype>(
  data: TensorData,
  dtype: Type,
): data is TensorTypes[Type] {
  return dtypeOf(data) === dtype;
}

/**
 * Writes tensors by name. Tensors of wide elements come first, each kind sorted by name, and the header is
 * padded with spaces to a multiple of 8 bytes, so that equal tensors give equal bytes and data are
 * aligned.
 * @throws RangeError where a name is empty or reserved, or a shape does not fit its data
 */
export function encodeSafetensors(tensors: ReadonlyMap<string, Tensor<TensorData>>): Uint8Array {
  const sorted = [...tensors].toSorted(
    ([a, { data: x }], [b, { data: y }]) =>
      y.BYTES_PER_ELEMENT - x.BYTES_PER_ELEMENT || (a < b ? -1 : 1),
  );
  let end = 0;
  const entries = sorted.map(([name, { shape, data }]) => {
    if (name === "" || name === METADATA) throw new RangeError(`tensor: bad name "${name}"`);
    if (elements(shape, name) !== data.length) {
      throw new RangeError(
        `${name}: shape ${shape.join(" x ")} does not hold ${data.length} values`,
      );
    }
    const begin = end;
    end += data.byteLength;
    return [name, { dtype: dtypeOf(data), shape, data_offsets: [begin, end] }];
  });
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(LENGTH_BYTES + headerBytes + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  let at = LENGTH_BYTES + headerBytes;
  file.fill(SPACE, LENGTH_BYTES, at);
  file.set(json, LENGTH_BYTES);
  for (const [, { data }] of sorted) {
    file.set(bytesOf(data), at);
    at += data.byteLength;
  }
  return file;
}

/**
 * Reads tensors by name, all of float32, each a copy of its bytes. The tensors must cover the data
 * exactly, without holes or overlaps, as the format demands.
 * @throws RangeError that says what is wrong with the file, and with which tensor
 */
export function decodeSafetensors(file: Uint8Array): Map<string, Tensor> {
  return decode(file, ["F32"]) as Map<string, Tensor>;
}

/**
 * As `decodeSafetensors`, for tensors of any of the element types.
 * @throws as `decodeSafetensors`
 */
export function decodeMixedSafetensors(file: Uint8Array): Map<string, Tensor<TensorData>> {
  return decode(file, DTYPES);
}

function decode(file: Uint8Array, dtypes: readonly Dtype[]): Map<string, Tensor<TensorData>> {
  const { header, data } = split(file);
  const tensors = new Map<string, Tensor<TensorData>>();
  const ranges: { name: string; begin: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === METADATA) continue;
    const { dtype, shape, begin, end } = parseEntry(name, entry, dtypes);
    if (end > data.length) throw new RangeError(`${name}: ends at ${end} of ${data.length} bytes`);
    ranges.push({ name, begin, end });
    tensors.set(name, { shape, data: dataFrom(dtype, data.subarray(begin, end)) });
  }
  let covered = 0;
  for (const { name, begin, end } of ranges.toSorted((a, b) => a.begin - b.begin)) {
    if (begin !== covered) {
      const what = begin < covered ? "overlaps the tensor before it" : "leaves a hole before it";
      throw new RangeError(`${name}: begins at ${begin}, ${what}`);
    }
    covered = end;
  }
  if (covered !== data.length) {
    throw new RangeError(`safetensors: ${data.length - covered} bytes behind the last tensor`);
  }
  return tensors;
}

/** Little-endian. */
function bytesOf(data: TensorData): Uint8Array {
  if (hasDtype(data, "U8")) return data;
  if (hasDtype(data, "F32")) return vectorToBytes(data);
  const bytes = new Uint8Array(data.byteLength);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of data.entries()) view.setInt32(i * 4, value, true);
  return bytes;
}

/** The inverse of `bytesOf`; a copy, whatever the alignment of `bytes`. */
function dataFrom(dtype: Dtype, bytes: Uint8Array): TensorData {
  if (dtype === "U8") return bytes.slice();
  if (dtype === "F32") return vectorFromBytes(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(i * 4, true));
}

function split(file: Uint8Array): { header: object; data: Uint8Array } {
  if (file.length < LENGTH_BYTES) throw new RangeError("safetensors: shorter than its first field");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerBytes = view.getBigUint64(0, true);
  if (headerBytes > BigInt(Math.min(HEADER_BYTES_MAX, file.length - LENGTH_BYTES))) {
    throw new RangeError(`safetensors: a header of ${headerBytes} bytes does not fit`);
  }
  const dataStart = LENGTH_BYTES + Number(headerBytes);
  return {
    header: parseHeader(file.subarray(LENGTH_BYTES, dataStart)),
    data: file.subarray(dataStart),
  };
}

function parseHeader(bytes: Uint8Array): object {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new RangeError("safetensors: the header is not JSON", { cause });
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw new RangeError("safetensors: the header is no JSON object");
  }
  return header;
}

interface Header {
  readonly dtype: Dtype;
  readonly shape: number[];
  readonly begin: number;
  readonly end: number;
}

function parseEntry(name: string, entry: unknown, dtypes: readonly Dtype[]): Header {
  const {
    dtype: dtypeName,
    shape,
    data_offsets: offsets,
  } = Object(entry) as Record<string, unknown>;
  const dtype = dtypes.find((each) => each === dtypeName);
  if (dtype === undefined) {
    throw new RangeError(`${name}: dtype ${String(dtypeName)}, expected ${dtypes.join(", ")}`);
  }
  if (!isNumbers(shape)) throw new RangeError(`${name}: shape is no list of numbers`);
  if (!isNumbers(offsets) || offsets.length !== 2) {
    throw new RangeError(`${name}: data_offsets is no pair of numbers`);
  }
  const [begin, end] = offsets as [number, number];
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || end < begin) {
    throw new RangeError(`${name}: data_offsets ${begin} and ${end} are no range`);
  }
  const expected = elements(shape, name) * ELEMENT_BYTES[dtype];
  if (end - begin !== expected) {
    throw new RangeError(`${name}: ${end - begin} bytes, its shape needs ${expected}`);
  }
  return { dtype, shape, begin, end };
}

function elements(shape: readonly number[], name: string): number {
  const bad = shape.find((side) => !Number.isSafeInteger(side) || side < 1);
  const product = shape.reduce((a, b) => a * b, 1);
  if (bad !== undefined || !Number.isSafeInteger(product * 4)) {
    throw new RangeError(`${name}: shape ${shape.join(" x ")} is not made of positive integers`);
  }
  return product;
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number");
}
