/** Matrix multiplication of dense matrices, on packed panels and a SIMD kernel (gemm-kernel.ts). */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { compileKernel, TILE_COLS, TILE_ROWS } from "./gemm-kernel.js";

interface MatmulOptions {
  /** A' instead of A. */
  readonly transposeA?: boolean;
  /** B' instead of B. */
  readonly transposeB?: boolean;
}

// Blocks of A (rows x depth), B (depth x cols) and C (rows x cols) that fit the caches.
const ROWS = 128;
const DEPTH = 256;
const COLS = 512;
const A_AT = 0;
const B_AT = A_AT + ROWS * DEPTH;
const C_AT = B_AT + DEPTH * COLS;
const PAGE_BYTES = 65_536;

const memory = new WebAssembly.Memory({
  initial: Math.ceil((4 * (C_AT + ROWS * COLS)) / PAGE_BYTES),
});
const kernel = compileKernel(memory);
const panelA = new Float32Array(memory.buffer, 4 * A_AT, ROWS * DEPTH);
const panelB = new Float32Array(memory.buffer, 4 * B_AT, DEPTH * COLS);
const block = new Float32Array(memory.buffer, 4 * C_AT, ROWS * COLS);

/**
 * A B, or with transposes. Sums are float32 over runs of 256 steps; the order is fixed, so that
 * equal operands give equal bits.
 * @returns a new matrix, shape [rows of A, cols of B]
 * @throws RangeError where the inner sides differ
 */
export function matmul(a: Matrix, b: Matrix, options: MatmulOptions = {}): Matrix {
  const { transposeA = false, transposeB = false } = options;
  const [rows, depth] = transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
  const [inner, cols] = transposeB ? [b.cols, b.rows] : [b.rows, b.cols];
  if (inner !== depth) {
    throw new RangeError(`matmul: ${rows} x ${depth} cannot take ${inner} x ${cols}`);
  }
  const result = matrix(rows, cols);
  for (let col = 0; col < cols; col += COLS) {
    const width = Math.min(COLS, cols - col);
    for (let step = 0; step < depth; step += DEPTH) {
      const steps = Math.min(DEPTH, depth - step);
      pack(panelB, TILE_COLS, b, !transposeB, { from: col, count: width, step, steps });
      for (let row = 0; row < rows; row += ROWS) {
        const height = Math.min(ROWS, rows - row);
        pack(panelA, TILE_ROWS, a, transposeA, { from: row, count: height, step, steps });
        multiplyPanels(height, width, steps);
        addBlock(result, row, height, col, width);
      }
    }
  }
  return result;
}

interface PanelRange {
  /** First row of A or column of B, and how many. */
  readonly from: number;
  readonly count: number;
  /** First step along the inner side, and how many. */
  readonly step: number;
  readonly steps: number;
}

/**
 * Copies `lanes` lines at a time, step by step beside one another. Zeros pad the last group.
 * @param stepsAreRows whether the inner side runs along the rows of the source
 */
function pack(
  panel: Float32Array,
  lanes: number,
  source: Matrix,
  stepsAreRows: boolean,
  { from, count, step, steps }: PanelRange,
): void {
  const { data, cols } = source;
  const lineStride = stepsAreRows ? 1 : cols;
  const stepStride = stepsAreRows ? cols : 1;
  for (let group = 0; group < count; group += lanes) {
    const at = group * steps;
    const filled = Math.min(lanes, count - group);
    if (filled < lanes) panel.fill(0, at, at + lanes * steps);
    for (let lane = 0; lane < filled; lane += 1) {
      let read = (from + group + lane) * lineStride + step * stepStride;
      for (let p = 0; p < steps; p += 1) {
        panel[at + p * lanes + lane] = data[read]!;
        read += stepStride;
      }
    }
  }
}

function multiplyPanels(height: number, width: number, steps: number): void {
  block.fill(0);
  for (let col = 0; col < width; col += TILE_COLS) {
    for (let row = 0; row < height; row += TILE_ROWS) {
      kernel(
        4 * (A_AT + row * steps),
        4 * (B_AT + col * steps),
        4 * (C_AT + row * COLS + col),
        steps,
        4 * COLS,
      );
    }
  }
}

function addBlock(result: Matrix, row: number, height: number, col: number, width: number): void {
  for (let i = 0; i < height; i += 1) {
    const to = (row + i) * result.cols + col;
    const from = i * COLS;
    for (let j = 0; j < width; j += 1) result.data[to + j]! += block[from + j]!;
  }
}
