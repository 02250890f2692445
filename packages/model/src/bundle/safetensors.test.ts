import { describe, expect, test } from "@jest/globals";
import { mulberry32, randomVector } from "../vectors/random.js";
import { decodeMixedSafetensors, decodeSafetensors, encodeSafetensors } from "./safetensors.js";
import type { Tensor, TensorData } from "./safetensors.js";

const v = (...elements: number[]): Float32Array => new Float32Array(elements);

/** A file of this header text and so many data bytes. */
function file(header: string, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const entry = (shape: unknown, offsets: unknown, dtype = "F32") => ({
  dtype,
  shape,
  data_offsets: offsets,
});

describe("safetensors", () => {
  test("the bytes are those of the format", () => {
    const bytes = encodeSafetensors(new Map([["w", { shape: [1, 2], data: v(1, -2) }]]));
    const header = '{"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}';
    expect(header.length % 8).toBe(0);
    expect(Array.from(bytes.subarray(0, 8))).toEqual([header.length, 0, 0, 0, 0, 0, 0, 0]);
    expect(new TextDecoder().decode(bytes.subarray(8, 8 + header.length))).toBe(header);
    expect(Array.from(bytes.subarray(8 + header.length))).toEqual([
      0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0,
    ]);
  });

  test("tensors come back bit for bit, data aligned to 8 bytes, whatever the order of names", () => {
    const uniform = mulberry32(14);
    const tensors = new Map<string, Tensor>([
      ["interests.query", { shape: [3, 5], data: randomVector(uniform, 15) }],
      ["fusion.q", { shape: [7], data: randomVector(uniform, 7) }],
      ["__proto__", { shape: [], data: v(4) }],
    ]);
    const bytes = encodeSafetensors(tensors);
    const headerBytes = new DataView(bytes.buffer).getUint32(0, true);
    expect((8 + headerBytes) % 8).toBe(0);
    expect(bytes.length).toBe(8 + headerBytes + 4 * (15 + 7 + 1));
    const back = decodeSafetensors(bytes);
    expect([...back.keys()].sort()).toEqual([...tensors.keys()].sort());
    for (const [name, { shape, data }] of tensors) {
      expect(back.get(name)!.shape).toEqual(shape);
      expect(Array.from(back.get(name)!.data)).toEqual(Array.from(data));
    }
    const reversed = new Map([...tensors].toReversed());
    expect(Array.from(encodeSafetensors(reversed))).toEqual(Array.from(bytes));
  });

  test("whole numbers and bytes come back too, wide elements before bytes, so that all are aligned", () => {
    const tensors = new Map<string, Tensor<TensorData>>([
      ["a", { shape: [3], data: Uint8Array.of(0, 7, 255) }],
      ["b", { shape: [2, 1], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) }],
      ["c", { shape: [1], data: v(0.5) }],
    ]);
    const bytes = encodeSafetensors(tensors);
    expect(decodeMixedSafetensors(bytes)).toEqual(tensors);
    expect(new TextDecoder().decode(bytes)).toContain(
      '{"b":{"dtype":"I32","shape":[2,1],"data_offsets":[0,8]},"c":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"a":{"dtype":"U8","shape":[3],"data_offsets":[12,15]}}',
    );
    expect(() => decodeSafetensors(bytes)).toThrow("b: dtype I32, expected F32");
    const other = file(JSON.stringify({ w: entry([1], [0, 8], "F64") }), 8);
    expect(() => decodeMixedSafetensors(other)).toThrow("w: dtype F64, expected F32, I32, U8");
    const short = file(JSON.stringify({ w: entry([2], [0, 2], "I32") }), 2);
    expect(() => decodeMixedSafetensors(short)).toThrow("w: 2 bytes, its shape needs 8");
  });

  test("no tensors make a file too, and a file may lie at any offset of its buffer", () => {
    const empty = encodeSafetensors(new Map());
    expect(empty.length % 8).toBe(0);
    expect(decodeSafetensors(empty).size).toBe(0);
    const bytes = encodeSafetensors(new Map([["w", { shape: [2], data: v(1, 2) }]]));
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(Array.from(decodeSafetensors(shifted.subarray(3)).get("w")!.data)).toEqual([1, 2]);
  });

  test("metadata of other writers are passed over", () => {
    const header = { __metadata__: { format: "pt" }, w: entry([1], [0, 4]) };
    expect([...decodeSafetensors(file(JSON.stringify(header), 4)).keys()]).toEqual(["w"]);
  });

  test.each<[string, Uint8Array]>([
    ["shorter than its first field", new Uint8Array(7)],
    ["header of 255 bytes does not fit", new Uint8Array([255, 0, 0, 0, 0, 0, 0, 0, 123, 125])],
    ["does not fit", new Uint8Array(8).fill(255)],
    ["header is not JSON", file('{"w":', 0)],
    ["no JSON object", file("[]", 0)],
    ["w: dtype F16", file(JSON.stringify({ w: entry([2], [0, 4], "F16") }), 4)],
    ["w: dtype undefined", file(JSON.stringify({ w: null }), 4)],
    ["w: shape is no list", file(JSON.stringify({ w: entry("1", [0, 4]) }), 4)],
    ["w: shape -1", file(JSON.stringify({ w: entry([-1], [0, 4]) }), 4)],
    ["w: data_offsets is no pair", file(JSON.stringify({ w: entry([1], [0]) }), 4)],
    ["w: data_offsets 4 and 0", file(JSON.stringify({ w: entry([1], [4, 0]) }), 4)],
    ["w: 4 bytes, its shape needs 8", file(JSON.stringify({ w: entry([2], [0, 4]) }), 4)],
    ["w: ends at 8 of 4 bytes", file(JSON.stringify({ w: entry([2], [0, 8]) }), 4)],
    ["4 bytes behind the last tensor", file(JSON.stringify({ w: entry([1], [0, 4]) }), 8)],
    [
      "x: begins at 4, overlaps",
      file(JSON.stringify({ w: entry([2], [0, 8]), x: entry([1], [4, 8]) }), 8),
    ],
    [
      "x: begins at 8, leaves a hole",
      file(JSON.stringify({ w: entry([1], [0, 4]), x: entry([1], [8, 12]) }), 12),
    ],
  ])("a broken file is refused: %s", (message, bytes) => {
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });

  test("tensors that do not fit their shape, and reserved names, are not written", () => {
    const one = { shape: [2], data: v(1) };
    expect(() => encodeSafetensors(new Map([["w", one]]))).toThrow("w: shape 2 does not hold 1");
    expect(() => encodeSafetensors(new Map([["__metadata__", one]]))).toThrow("bad name");
    const zero = { shape: [0], data: v() };
    expect(() => encodeSafetensors(new Map([["w", zero]]))).toThrow("positive integers");
  });
});
