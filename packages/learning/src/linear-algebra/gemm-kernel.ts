/**
 * The inner loop of matmul as a WebAssembly module of one function, written byte by byte
 * because it is shorter than a build step: 4 x 8 sums live in eight SIMD registers, and every step
 * takes 4 values of A and 8 of B to 32 products. Multiply and add are separate, exactly rounded
 * float32 instructions in a fixed order, so the bits are the same on every machine.
 */

export const TILE_ROWS = 4;
export const TILE_COLS = 8;

/**
 * C[i, j] += sum_p A[p, i] B[p, j] for i < 4, j < 8; all arguments count bytes but `depth`.
 * @param a panel of 4 `depth` float32, `a[p * 4 + i]`
 * @param b panel of 8 `depth` float32, `b[p * 8 + j]`
 * @param c first element of the tile
 * @param depth number of steps p, at least 1
 * @param stride from a row of C to the next
 */
type Kernel = (a: number, b: number, c: number, depth: number, stride: number) => void;

/** Compiles the kernel, which reads and writes this memory. */
export function compileKernel(memory: WebAssembly.Memory): Kernel {
  const module = new WebAssembly.Module(moduleBytes());
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports["kernel"] as Kernel;
}

const [A, B, C, DEPTH, STRIDE] = [0, 1, 2, 3, 4] as const;
const SUMS = 5;
const B_LOW = 13;
const B_HIGH = 14;
const A_VALUE = 15;
const V128S = 11;

const I32 = 0x7f;
const V128 = 0x7b;
const VOID = 0x40;
const END = 0x0b;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const constant = (value: number): number[] => [0x41, ...signed(value)];
const loop = (...body: number[][]): number[] => [0x03, VOID, ...body.flat(), END];
const branchIf = (depth: number): number[] => [0x0d, depth];
const addI32 = [0x6a];
const subI32 = [0x6b];
/** Memory arguments: alignment 2^2 as a hint, then the offset in bytes. */
const load = (offset: number): number[] => [0xfd, 0x00, 2, offset];
const loadSplat = (offset: number): number[] => [0xfd, 0x09, 2, offset];
const store = (offset: number): number[] => [0xfd, 0x0b, 2, offset];
const addF32 = [0xfd, 0xe4, 0x01];
const mulF32 = [0xfd, 0xe6, 0x01];
const advance = (local: number, bytes: number): number[] => [
  ...get(local),
  ...constant(bytes),
  ...addI32,
  ...set(local),
];

function kernelBody(): number[] {
  const rows = Array.from({ length: TILE_ROWS }, (_, i) => i);
  const sum = (row: number, half: number): number => SUMS + 2 * row + half;
  const accumulate = (row: number, half: number): number[] => [
    ...get(sum(row, half)),
    ...get(A_VALUE),
    ...get(half === 0 ? B_LOW : B_HIGH),
    ...mulF32,
    ...addF32,
    ...set(sum(row, half)),
  ];
  const write = (row: number, half: number): number[] => [
    ...get(C),
    ...get(C),
    ...load(16 * half),
    ...get(sum(row, half)),
    ...addF32,
    ...store(16 * half),
  ];
  const nextRow = [...get(C), ...get(STRIDE), ...addI32, ...set(C)];
  return [
    ...loop(
      [...get(B), ...load(0), ...set(B_LOW), ...get(B), ...load(16), ...set(B_HIGH)],
      ...rows.map((row) => [
        ...get(A),
        ...loadSplat(4 * row),
        ...set(A_VALUE),
        ...accumulate(row, 0),
        ...accumulate(row, 1),
      ]),
      advance(A, 4 * TILE_ROWS),
      advance(B, 4 * TILE_COLS),
      [...get(DEPTH), ...constant(1), ...subI32, 0x22, DEPTH],
      branchIf(0),
    ),
    ...rows.flatMap((row) => [write(row, 0), write(row, 1), nextRow].flat()),
    END,
  ];
}

/** "\0asm" and the version. */
const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

function moduleBytes(): Uint8Array<ArrayBuffer> {
  const body = [1, V128S, V128, ...kernelBody()];
  return Uint8Array.from([
    ...HEADER,
    ...section(1, [1, 0x60, 5, I32, I32, I32, I32, I32, 0]),
    ...section(2, [1, ...text("env"), ...text("memory"), 0x02, 0x00, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text("kernel"), 0x00, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function text(value: string): number[] {
  return [value.length, ...Array.from(value, (letter) => letter.charCodeAt(0))];
}

/** LEB128, for values of at least 0. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Signed LEB128: the sixth bit of the last byte is the sign. */
function signed(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(value >>> 7)];
}
