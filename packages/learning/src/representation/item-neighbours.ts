/**
 * Products that users had one after the other (item-based collaborative filtering, Sarwar et al., WWW 2001;
 * Linden et al., IEEE Internet Computing 7 (1), 2003), in order of time.
 */
import type { NeighboursOf, ProductNeighbours } from "@marquetry/model/ranking/neighbours";
import { countItems } from "../dataset/dataset.js";
import { csrOf, transposeCsr } from "../linear-algebra/csr.js";
import type { Csr, Entry } from "../linear-algebra/csr.js";

/** The largest distance of two products in a history, in places. */
const APART_MAX = 11;
/** A pair counts this much less for each further place. */
const PLACE_DECAY = 0.8;
/** Per product. */
const NEIGHBOURS = 50;

/**
 * K = D^-1/2 C D^-1/2, of each row the 50 largest; symmetric except where one row drops the value. C_ij sums
 * .8^(t - s - 1) / sqrt(length of h) over all histories h and places s < t <= s + 11 that hold i and
 * j in either order, i not j; D_i is how often i stands in the histories, at least 1. Equal values are
 * ordered by lower number. Row by row, so that beside the result one row is in memory at a time.
 * @param train by user, oldest first
 * @returns shape [items, items], without a diagonal, values rounded to float32 as a bundle has them
 */
export function itemNeighbours(train: readonly Int32Array[], items: number): Csr {
  const scale = countItems(train, items).map((count) => 1 / Math.sqrt(Math.max(1, count)));
  const rowOf = pairSums(train, items);
  const rows = Array.from({ length: items }, (_, item) =>
    rowOf(item)
      .map(({ column, value }): Entry => ({
        column,
        value: Math.fround(scale[item]! * value * scale[column]!),
      }))
      .sort((a, b) => b.value - a.value || a.column - b.column)
      .slice(0, NEIGHBOURS),
  );
  return csrOf(items, rows);
}

/** C by rows, without zeros. */
function pairSums(train: readonly Int32Array[], items: number): (item: number) => Entry[] {
  // All histories behind one another: a place is a number, and each product's places are known.
  const begins = new Int32Array(train.length + 1);
  for (const [user, { length }] of train.entries()) begins[user + 1] = begins[user]! + length;
  const total = begins[train.length]!;
  const [itemAt, userAt] = [new Int32Array(total), new Int32Array(total)];
  for (const [user, history] of train.entries()) {
    itemAt.set(history, begins[user]);
    userAt.fill(user, begins[user], begins[user + 1]);
  }
  const placesOf = transposeCsr({
    rows: total,
    cols: items,
    starts: Int32Array.from({ length: total + 1 }, (_, place) => place),
    columns: itemAt,
    values: new Float64Array(total),
  });
  const decays = Float64Array.from({ length: APART_MAX }, (_, i) => PLACE_DECAY ** i);
  const sums = new Float64Array(items);
  return (item) => {
    const touched: number[] = [];
    const { starts, columns } = placesOf;
    for (const place of columns.subarray(starts[item], starts[item + 1])) {
      const [begin, end] = [begins[userAt[place]!]!, begins[userAt[place]! + 1]!];
      const share = 1 / Math.sqrt(end - begin);
      const last = Math.min(end - 1, place + APART_MAX);
      for (let other = Math.max(begin, place - APART_MAX); other <= last; other += 1) {
        const column = itemAt[other]!;
        if (column === item) continue;
        if (sums[column] === 0) touched.push(column);
        sums[column]! += decays[Math.abs(other - place) - 1]! * share;
      }
    }
    return touched.map((column) => {
      const value = sums[column]!;
      sums[column] = 0;
      return { column, value };
    });
  };
}

/** The neighbours as a re-ranker reads them: pairs of product and weight by product. */
export function neighboursIn({ starts, columns, values }: Csr): NeighboursOf<number> {
  return (item) => {
    const [start, end] = [starts[item]!, starts[item + 1]!];
    return Array.from(columns.subarray(start, end), (column, at) => [column, values[start + at]!]);
  };
}

/** The neighbours as a bundle carries them. */
export function carriedNeighbours(
  { starts, columns, values }: Csr,
  ids: readonly string[],
): ProductNeighbours {
  return { ids, starts, products: columns, weights: Float32Array.from(values) };
}
