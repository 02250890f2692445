import type { TopK } from "./top-k.js";

/**
 * Vectors of one name, by row. They lie packed in pages of rows; a page exists once a row of it is
 * written, so that growing copies nothing.
 */
export interface PackedVectors {
  readonly size: number;
  readonly searchable: boolean;
  readonly pages: (Page | undefined)[];
}

interface Page {
  /** `ROWS_PER_PAGE` rows of `size` numbers. */
  readonly values: Float32Array;
  /** 1 where the row holds a vector. */
  readonly present: Uint8Array;
}

const ROWS_PER_PAGE = 1024;

export function writeRow(
  packed: PackedVectors,
  row: number,
  vector: Float32Array | undefined,
): void {
  const index = Math.floor(row / ROWS_PER_PAGE);
  const rowInPage = row % ROWS_PER_PAGE;
  let page = packed.pages[index];
  if (vector === undefined) {
    if (page !== undefined) page.present[rowInPage] = 0;
    return;
  }
  if (page === undefined) {
    page = {
      values: new Float32Array(ROWS_PER_PAGE * packed.size),
      present: new Uint8Array(ROWS_PER_PAGE),
    };
    packed.pages[index] = page;
  }
  page.values.set(vector, rowInPage * packed.size);
  page.present[rowInPage] = 1;
}

/** A copy; undefined where the row holds no vector. */
export function readRow(packed: PackedVectors, row: number): Float32Array | undefined {
  const page = packed.pages[Math.floor(row / ROWS_PER_PAGE)];
  const rowInPage = row % ROWS_PER_PAGE;
  if (page === undefined || page.present[rowInPage] === 0) return undefined;
  return page.values.slice(rowInPage * packed.size, (rowInPage + 1) * packed.size);
}

/** Offers each row that holds a vector and passes, by its dot product with `vector`. */
export function scoreRows(
  { pages, size }: PackedVectors,
  vector: Float32Array,
  passes: (row: number) => boolean,
  top: Pick<TopK, "threshold" | "offer">,
): void {
  for (const [index, page] of pages.entries()) {
    if (page === undefined) continue;
    for (let rowInPage = 0; rowInPage < ROWS_PER_PAGE; rowInPage += 1) {
      if (page.present[rowInPage] === 0) continue;
      const row = index * ROWS_PER_PAGE + rowInPage;
      if (!passes(row)) continue;
      const score = dot(page.values, rowInPage * size, vector);
      if (score >= top.threshold()) top.offer(row, score);
    }
  }
}

/** Four sums at once, since each alone waits for its last addition. */
function dot(values: Float32Array, offset: number, vector: Float32Array): number {
  const size = vector.length;
  const whole = size - (size % 4);
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  for (let i = 0; i < whole; i += 4) {
    sum0 += values[offset + i]! * vector[i]!;
    sum1 += values[offset + i + 1]! * vector[i + 1]!;
    sum2 += values[offset + i + 2]! * vector[i + 2]!;
    sum3 += values[offset + i + 3]! * vector[i + 3]!;
  }
  for (let i = whole; i < size; i += 1) sum0 += values[offset + i]! * vector[i]!;
  return sum0 + sum1 + (sum2 + sum3);
}
