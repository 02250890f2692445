/** Forming micro-batches. */

/**
 * Groups rows of similar length, so that little of a batch is padding: sorted by length, then
 * filled up until a batch has `rowsMax` rows or `rows * longest` would exceed `cellsMax`. A row
 * longer than `cellsMax` goes alone. Equal lengths keep their order.
 *
 * @param lengths length of each row, in tokens (pictures: 1)
 * @returns batches of indices into `lengths`; every index occurs once
 */
export function planBatches(
  lengths: readonly number[],
  rowsMax: number,
  cellsMax: number,
): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[a]! - lengths[b]!);
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const i of order) {
    const full = batch.length >= rowsMax || (batch.length + 1) * lengths[i]! > cellsMax;
    if (full && batch.length > 0) {
      batches.push(batch);
      batch = [];
    }
    batch.push(i);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
