import { describe, expect, test } from "@jest/globals";
import { readCheckpoint } from "./unpickle.js";

const ascii = (text: string) => [...Buffer.from(text)];
const unicode = (text: string) => [0x58, text.length, 0, 0, 0, ...ascii(text)];
const global = (module: string, name: string) => ascii(`c${module}\n${name}\n`);
const pickle = (...body: number[][]) => [0x80, 2, ...body.flat(), 0x2e];

const magic = pickle([0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
const version = pickle([0x4d, 0xe9, 0x03]);
const facts = pickle([0x7d]);
const keys = pickle([0x5d, 0x28], unicode("7"), [0x65]);

/** `("storage", torch.FloatStorage, "7", "cpu", 6, None)` as a persistent id. */
const storage = [
  [0x28, ...unicode("storage"), ...global("torch", "FloatStorage"), ...unicode("7")],
  [...unicode("cpu"), 0x4b, 6, 0x4e, 0x74, 0x51],
].flat();
const tuple = (numbers: number[]) => [0x28, ...numbers.flatMap((n) => [0x4b, n]), 0x74];
const tensor = (offset: number, shape: number[], strides: number[]) =>
  [
    [...global("torch._utils", "_rebuild_tensor_v2"), 0x28, ...storage, 0x4b, offset],
    [...tuple(shape), ...tuple(strides)],
    [0x89, ...global("collections", "OrderedDict"), 0x29, 0x52, 0x74, 0x52],
  ].flat();
const values = [...Buffer.from(new Float32Array([0, 1, 2, 3, 4, 5]).buffer)];
const checkpoint = (state: number[]) =>
  Uint8Array.from([
    ...magic,
    ...version,
    ...facts,
    ...state,
    ...keys,
    6,
    ...Array(7).fill(0),
    ...values,
  ]);
const dictionary = (name: string, value: number[]) =>
  pickle(global("collections", "OrderedDict"), [0x29, 0x52], unicode(name), value, [0x73]);

describe("checkpoint", () => {
  test("a view with other strides comes out row-major", () => {
    const read = readCheckpoint(checkpoint(dictionary("w", tensor(0, [3, 2], [1, 3]))));
    const found = read.get("w");
    expect(found?.shape).toEqual([3, 2]);
    expect(Array.from(found?.data ?? [], Number)).toEqual([0, 3, 1, 4, 2, 5]);
  });

  test("a view starts at its offset", () => {
    const read = readCheckpoint(checkpoint(dictionary("w", tensor(4, [2], [1]))));
    expect(Array.from(read.get("w")?.data ?? [], Number)).toEqual([4, 5]);
  });

  test("a view past its storage is refused", () => {
    expect(() => readCheckpoint(checkpoint(dictionary("w", tensor(5, [2], [1]))))).toThrow(
      /w reaches past its storage/,
    );
  });

  test.each([
    ["posix", "system"],
    ["os", "system"],
    ["builtins", "eval"],
    ["torch", "load"],
  ])("%s.%s is refused by its name", (module, name) => {
    const state = pickle(global(module, name), unicode("touch owned"), [0x85, 0x52]);
    expect(() => readCheckpoint(checkpoint(state))).toThrow(`names ${module}.${name}`);
  });

  test("a name assembled on the stack is refused, since that opcode is unknown", () => {
    const state = pickle(unicode("posix"), unicode("system"), [0x93]);
    expect(() => readCheckpoint(checkpoint(state))).toThrow(/opcode 0x93/);
  });

  test("a storage type cannot be called", () => {
    const state = pickle(global("torch", "FloatStorage"), [0x29, 0x52]);
    expect(() => readCheckpoint(checkpoint(state))).toThrow(/call of torch.FloatStorage/);
  });

  test("a file cut anywhere is refused", () => {
    const whole = checkpoint(dictionary("w", tensor(0, [6], [1])));
    expect(readCheckpoint(whole).size).toBe(1);
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => readCheckpoint(whole.subarray(0, length))).toThrow(Error);
    }
  });

  test("the newer zip layout is refused by its name", () => {
    expect(() => readCheckpoint(Uint8Array.from(ascii("PK\u0003\u0004")))).toThrow(/zip layout/);
  });
});
