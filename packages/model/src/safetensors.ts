/**
 * The safetensors file format, float32 only: 8 bytes with the header's length (little-endian
 * unsigned), the header (JSON: name -> dtype, shape, data_offsets), then the tensors' bytes
 * (github.com/huggingface/safetensors, "Format").
 */
import { vectorFromBytes, vectorToBytes } from "./vector.js";

export interface Tensor {
  /** Sides, outermost first; each at least 1. */
  readonly shape: readonly number[];
  /** Row-major; as long as the product of the sides. */
  readonly data: Float32Array;
}

/** The format's metadata field, which is no tensor. */
const METADATA = "__metadata__";
const LENGTH_BYTES = 8;
const SPACE = 0x20;
const HEADER_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Writes tensors by name. Names are sorted and the header is padded with spaces to a multiple of 8
 * bytes, so that equal tensors give equal bytes and data are aligned.
 * @throws RangeError where a name is empty or reserved, or a shape does not fit its data
 */
export function encodeSafetensors(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const sorted = [...tensors].toSorted(([a], [b]) => (a < b ? -1 : 1));
  let end = 0;
  const entries = sorted.map(([name, { shape, data }]) => {
    if (name === "" || name === METADATA) throw new RangeError(`tensor: bad name "${name}"`);
    if (elements(shape, name) !== data.length) {
      throw new RangeError(
        `${name}: shape ${shape.join(" x ")} does not hold ${data.length} values`,
      );
    }
    const begin = end;
    end += data.length * 4;
    return [name, { dtype: "F32", shape, data_offsets: [begin, end] }];
  });
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(LENGTH_BYTES + headerBytes + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  let at = LENGTH_BYTES + headerBytes;
  file.fill(SPACE, LENGTH_BYTES, at);
  file.set(json, LENGTH_BYTES);
  for (const [, { data }] of sorted) {
    file.set(vectorToBytes(data), at);
    at += data.length * 4;
  }
  return file;
}

/**
 * Reads tensors by name, each a copy of its bytes. The tensors must cover the data exactly, without
 * holes or overlaps, as the format demands.
 * @throws RangeError that says what is wrong with the file, and with which tensor
 */
export function decodeSafetensors(file: Uint8Array): Map<string, Tensor> {
  const { header, data } = split(file);
  const tensors = new Map<string, Tensor>();
  const ranges: { name: string; begin: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === METADATA) continue;
    const { shape, begin, end } = parseEntry(name, entry);
    if (end > data.length) throw new RangeError(`${name}: ends at ${end} of ${data.length} bytes`);
    ranges.push({ name, begin, end });
    tensors.set(name, { shape, data: vectorFromBytes(data.subarray(begin, end)) });
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

function parseEntry(name: string, entry: unknown): { shape: number[]; begin: number; end: number } {
  const { dtype, shape, data_offsets: offsets } = Object(entry) as Record<string, unknown>;
  if (dtype !== "F32") throw new RangeError(`${name}: dtype ${String(dtype)}, expected F32`);
  if (!isNumbers(shape)) throw new RangeError(`${name}: shape is no list of numbers`);
  if (!isNumbers(offsets) || offsets.length !== 2) {
    throw new RangeError(`${name}: data_offsets is no pair of numbers`);
  }
  const [begin, end] = offsets as [number, number];
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || end < begin) {
    throw new RangeError(`${name}: data_offsets ${begin} and ${end} are no range`);
  }
  const expected = elements(shape, name) * 4;
  if (end - begin !== expected) {
    throw new RangeError(`${name}: ${end - begin} bytes, its shape needs ${expected}`);
  }
  return { shape, begin, end };
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
