/**
 * Reads a PyTorch checkpoint without Python and without running anything in it. A pickle is a
 * program for a stack machine that may import and call any function; this machine knows three
 * names (ordered dictionaries, typed storages, the function that views a storage as a tensor) and
 * refuses every other one.
 *
 * The layout is that of `torch.save` before version 1.6: five pickles (magic number, protocol
 * version, system facts, the state dictionary, the storage keys in order), then each storage as
 * a 64-bit element count and its little-endian bytes.
 */

export interface Tensor {
  readonly shape: readonly number[];
  /** Row-major values. */
  readonly data: Float32Array | BigInt64Array;
}

interface Storage {
  readonly kind: "float32" | "int64";
  readonly length: number;
  data: Float32Array | BigInt64Array | undefined;
}

interface View {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** What a pickle may name. */
const globals = new Map<string, Global>(
  (
    [
      ["collections", "OrderedDict"],
      ["torch._utils", "_rebuild_tensor_v2"],
      ["torch", "FloatStorage"],
      ["torch", "LongStorage"],
    ] as const
  ).map(([module, name]) => [`${module}.${name}`, { global: `${module}.${name}` }]),
);

interface Global {
  readonly global: string;
}

const magic = 0x1950a86a20f9469cfc6cn;
const protocol = 1001;
const mark = Symbol("mark");

/**
 * The tensors of a checkpoint by name.
 *
 * @throws Error when the file is cut short, is not such a checkpoint, or names anything that the
 * list above does not hold.
 */
export function readCheckpoint(bytes: Uint8Array): Map<string, Tensor> {
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) {
    throw new Error("the checkpoint is in torch's newer zip layout, which is not read here");
  }
  const input = new Cursor(bytes);
  const storages = new Map<string, Storage>();
  if (unpickle(input, storages) !== magic) throw new Error("not a torch checkpoint");
  if (unpickle(input, storages) !== protocol) throw new Error("an unknown checkpoint version");
  unpickle(input, storages);
  const state = unpickle(input, storages);
  const keys = unpickle(input, storages);
  if (!(state instanceof Map) || !Array.isArray(keys)) throw new Error("no state dictionary");
  for (const key of keys as unknown[]) {
    const storage = storages.get(String(key));
    if (storage === undefined) throw new Error(`storage ${String(key)} was never named`);
    if (Number(input.int64()) !== storage.length) throw new Error("a storage of another length");
    storage.data = readStorage(input, storage);
  }
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of state as Map<unknown, unknown>) {
    if (!isView(value)) throw new Error(`${String(name)} is not a tensor`);
    tensors.set(String(name), toTensor(String(name), value));
  }
  return tensors;
}

function readStorage(input: Cursor, storage: Storage): Float32Array | BigInt64Array {
  const width = storage.kind === "float32" ? 4 : 8;
  // Copied, since a typed array wants an aligned start.
  const { buffer } = new Uint8Array(input.take(storage.length * width));
  return storage.kind === "float32" ? new Float32Array(buffer) : new BigInt64Array(buffer);
}

/** Walks the view in row-major order, whatever order the storage has (weights that came from
 * TensorFlow keep its order and are viewed with other strides). */
function toTensor(name: string, { storage, offset, shape, strides }: View): Tensor {
  const { data } = storage;
  if (data === undefined || shape.length !== strides.length) throw new Error(`${name} has no data`);
  const size = shape.reduce((product, length) => product * length, 1);
  const reach = shape.reduce(
    (sum, length, axis) => sum + (length - 1) * (strides[axis] ?? 0),
    offset,
  );
  if (size > data.length || (size > 0 && reach >= data.length)) {
    throw new Error(`${name} reaches past its storage`);
  }
  const values = data.slice(0, size);
  const index = shape.map(() => 0);
  let at = offset;
  for (let i = 0; i < size; i += 1) {
    values[i] = data[at] ?? NaN;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const stride = strides[axis] ?? 0;
      const next = (index[axis] ?? 0) + 1;
      at += stride;
      index[axis] = next;
      if (next < (shape[axis] ?? 0)) break;
      at -= next * stride;
      index[axis] = 0;
    }
  }
  return { shape, data: values };
}

/** Runs one pickle from the cursor on and returns what it leaves on the stack. */
function unpickle(input: Cursor, storages: Map<string, Storage>): unknown {
  const stack: unknown[] = [];
  const memo = new Map<number, unknown>();
  // Every round reads at least one byte, so the input's length bounds the loop.
  for (;;) {
    const op = input.uint8();
    if (op === 0x2e) return pop(stack);
    if (!pushValue(op, input, stack) && !useMemo(op, input, stack, memo)) {
      build(op, input, stack, storages);
    }
  }
}

/** Opcodes that put one plain value on the stack. */
function pushValue(op: number, input: Cursor, stack: unknown[]): boolean {
  switch (op) {
    case 0x80: // PROTO
      if (input.uint8() !== 2) throw new Error("only pickle protocol 2 is read");
      return true;
    case 0x28: // MARK
      return push(stack, mark);
    case 0x4e: // NONE
      return push(stack, null);
    case 0x88: // NEWTRUE
      return push(stack, true);
    case 0x89: // NEWFALSE
      return push(stack, false);
    case 0x4b: // BININT1
      return push(stack, input.uint8());
    case 0x4d: // BININT2
      return push(stack, input.uint16());
    case 0x4a: // BININT
      return push(stack, input.int32());
    case 0x8a: // LONG1
      return push(stack, input.long(input.uint8()));
    case 0x58: // BINUNICODE
      return push(stack, input.text(input.uint32()));
    case 0x7d: // EMPTY_DICT
      return push(stack, new Map());
    case 0x5d: // EMPTY_LIST
    case 0x29: // EMPTY_TUPLE
      return push(stack, []);
    case 0x63: // GLOBAL
      return push(stack, findGlobal(input));
    default:
      return false;
  }
}

function useMemo(op: number, input: Cursor, stack: unknown[], memo: Map<number, unknown>): boolean {
  switch (op) {
    case 0x71: // BINPUT
      memo.set(input.uint8(), top(stack));
      return true;
    case 0x72: // LONG_BINPUT
      memo.set(input.uint32(), top(stack));
      return true;
    case 0x68: // BINGET
      return push(stack, memo.get(input.uint8()));
    case 0x6a: // LONG_BINGET
      return push(stack, memo.get(input.uint32()));
    default:
      return false;
  }
}

/** Opcodes that make one value of several. */
function build(op: number, input: Cursor, stack: unknown[], storages: Map<string, Storage>): void {
  switch (op) {
    case 0x85: // TUPLE1
    case 0x86: // TUPLE2
    case 0x87: // TUPLE3
      stack.push(popMany(stack, op - 0x84));
      return;
    case 0x74: // TUPLE
      stack.push(popToMark(stack));
      return;
    case 0x65: {
      // APPENDS
      const items = popToMark(stack);
      const list = top(stack);
      if (!Array.isArray(list)) throw new Error("append to what is not a list");
      for (const item of items) list.push(item);
      return;
    }
    case 0x73: // SETITEM
      return setItems(popMany(stack, 2), top(stack));
    case 0x75: {
      // SETITEMS
      const items = popToMark(stack);
      return setItems(items, top(stack));
    }
    case 0x51: // BINPERSID
      stack.push(storageOf(pop(stack), storages));
      return;
    case 0x52: {
      // REDUCE
      const args = pop(stack);
      stack.push(call(pop(stack), args));
      return;
    }
    case 0x62: // BUILD: the state dictionary's version notes, which nothing here needs
      pop(stack);
      if (!(top(stack) instanceof Map)) throw new Error("attributes on what is not a dictionary");
      return;
    default:
      throw new Error(`pickle opcode 0x${op.toString(16)} at byte ${input.at - 1} is refused`);
  }
}

function findGlobal(input: Cursor): Global {
  const name = `${input.line()}.${input.line()}`;
  const found = globals.get(name);
  if (found === undefined) throw new Error(`the checkpoint names ${name}, which is refused`);
  return found;
}

function call(callee: unknown, args: unknown): unknown {
  const name = isGlobal(callee) ? callee.global : "what is not a function";
  if (!Array.isArray(args)) throw new Error(`${name} is called without a tuple`);
  if (name === "collections.OrderedDict" && args.length === 0) return new Map();
  if (name !== "torch._utils._rebuild_tensor_v2") throw new Error(`a call of ${name} is refused`);
  const [storage, offset, shape, strides] = args as unknown[];
  if (!isStorage(storage) || !isSize(offset) || !isSizes(shape) || !isSizes(strides)) {
    throw new Error("a tensor of wrong arguments");
  }
  return { storage, offset, shape, strides } satisfies View;
}

/** `("storage", type, key, device, length, view)`; two tensors may share one storage. */
function storageOf(id: unknown, storages: Map<string, Storage>): Storage {
  const [label, type, key, , length, view] = Array.isArray(id) ? (id as unknown[]) : [];
  if (label !== "storage" || !isGlobal(type) || typeof key !== "string" || !isSize(length)) {
    throw new Error("a reference to what is not a storage");
  }
  if (!type.global.endsWith("Storage")) throw new Error(`${type.global} is not a storage type`);
  if (view !== null) throw new Error("storages that view others are not read here");
  const known = storages.get(key);
  if (known !== undefined) return known;
  const kind = type.global === "torch.FloatStorage" ? "float32" : "int64";
  const storage: Storage = { kind, length, data: undefined };
  storages.set(key, storage);
  return storage;
}

function setItems(items: unknown[], target: unknown): void {
  if (!(target instanceof Map) || items.length % 2 !== 0) throw new Error("items of no dictionary");
  for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
}

function push(stack: unknown[], value: unknown): true {
  stack.push(value);
  return true;
}

function top(stack: readonly unknown[]): unknown {
  if (stack.length === 0) throw new Error("the pickle's stack is empty");
  return stack.at(-1);
}

function pop(stack: unknown[]): unknown {
  const value = top(stack);
  stack.pop();
  return value;
}

function popMany(stack: unknown[], count: number): unknown[] {
  if (stack.length < count) throw new Error("the pickle's stack is empty");
  return stack.splice(stack.length - count);
}

function popToMark(stack: unknown[]): unknown[] {
  const at = stack.lastIndexOf(mark);
  if (at < 0) throw new Error("the pickle has no mark");
  const items = stack.splice(at + 1);
  stack.pop();
  return items;
}

function isGlobal(value: unknown): value is Global {
  return typeof value === "object" && value !== null && "global" in value;
}

function isStorage(value: unknown): value is Storage {
  return typeof value === "object" && value !== null && "kind" in value;
}

function isView(value: unknown): value is View {
  return typeof value === "object" && value !== null && "storage" in value;
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isSize);
}

/** Reads little-endian values in order and says so when the bytes run out. */
class Cursor {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  uint8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4), true);
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.#skip(8), true);
  }

  /** A two's-complement integer of `length` bytes; a bigint where a number would be inexact. */
  long(length: number): number | bigint {
    let value = 0n;
    this.take(length).forEach((byte, i) => (value |= BigInt(byte) << BigInt(8 * i)));
    value = BigInt.asIntN(8 * length, value);
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
  }

  text(length: number): string {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.take(length));
  }

  /** Up to the next line feed. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new Error("the checkpoint ends early");
    const line = this.text(end - this.at);
    this.at = end + 1;
    return line;
  }

  #skip(length: number): number {
    const start = this.at;
    if (start + length > this.#bytes.length) throw new Error("the checkpoint ends early");
    this.at += length;
    return start;
  }
}
