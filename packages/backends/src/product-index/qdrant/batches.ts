import type { Point } from "../product-index.js";

/** At most so many points to a request, and so many numbers in them (about 5 MB as JSON). */
const POINTS_PER_BATCH_MAX = 256;
const NUMBERS_PER_BATCH_MAX = 262_144;

export function* readBatches(productIds: readonly string[]): Generator<readonly string[]> {
  for (let from = 0; from < productIds.length; from += POINTS_PER_BATCH_MAX)
    yield productIds.slice(from, from + POINTS_PER_BATCH_MAX);
}

/** Cuts by the number of points and by the numbers in them, since both make a request slow. */
export function* writeBatches(points: readonly Point[]): Generator<readonly Point[]> {
  let batch: Point[] = [];
  let numbers = 0;
  for (const point of points) {
    const size = Object.values(point.vectors).reduce((sum, vector) => sum + vector.length, 0);
    const full = batch.length === POINTS_PER_BATCH_MAX || numbers + size > NUMBERS_PER_BATCH_MAX;
    if (full && batch.length > 0) {
      yield batch;
      batch = [];
      numbers = 0;
    }
    batch.push(point);
    numbers += size;
  }
  if (batch.length > 0) yield batch;
}

/**
 * Runs `work` on the items, at most `limit` at a time. After a failure no item is begun; what is
 * under way ends before the failure is thrown, so that nothing of a failed call runs on.
 */
export async function forEachBounded<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const failures: unknown[] = [];
  async function runner(): Promise<void> {
    while (failures.length === 0) {
      const next = rest.next();
      if (next.done === true) return;
      await work(next.value).catch((error: unknown) => failures.push(error));
    }
  }
  await Promise.all(Array.from({ length: limit }, runner));
  if (failures.length > 0) throw failures[0];
}
