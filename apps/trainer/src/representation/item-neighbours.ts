/**
 * Products that one had after the other (item-based collaborative filtering, Sarwar et al., WWW 2001;
 * Linden et al., IEEE Internet Computing 7 (1), 2003), in order of time.
 */
import type { NeighboursOf, ProductNeighbours } from "@marquetry/model/neighbours";
import { countItems } from "../dataset/dataset.js";
import { csrOf } from "../linear-algebra/csr.js";
import type { Csr, Entry } from "../linear-algebra/csr.js";

/** Places of a history that two products may be apart. */
const APART_MAX = 11;
/** What each further place leaves of a pair. */
const PLACE_DECAY = 0.8;
/** Kept per product. */
const NEIGHBOURS = 50;

/**
 * K = D^-1/2 C D^-1/2, of each row the 50 largest; symmetric but for those left out. C_ij sums
 * .8^(t - s - 1) / sqrt(length of h) over all histories h and places s < t <= s + 11 that hold i and
 * j in either order, i not j; D_i is how often i stands in the histories, at least 1. Equal values are
 * kept by lower number.
 * @param train by user, oldest first
 * @returns shape [items, items], without a diagonal, values rounded to float32 as a bundle has them
 */
export function itemNeighbours(train: readonly Int32Array[], items: number): Csr {
  const scale = countItems(train, items).map((count) => 1 / Math.sqrt(Math.max(1, count)));
  const rows = pairSums(train, items).map((row, item) =>
    Array.from(row, ([column, sum]): Entry => ({
      column,
      value: Math.fround(scale[item]! * sum * scale[column]!),
    }))
      .sort((a, b) => b.value - a.value || a.column - b.column)
      .slice(0, NEIGHBOURS),
  );
  return csrOf(items, rows);
}

/** C by rows, without zeros. */
function pairSums(train: readonly Int32Array[], items: number): Map<number, number>[] {
  const rows = Array.from({ length: items }, () => new Map<number, number>());
  const add = (from: number, to: number, value: number): void => {
    rows[from]!.set(to, (rows[from]!.get(to) ?? 0) + value);
  };
  for (const history of train) {
    const share = 1 / Math.sqrt(history.length);
    for (let t = 1; t < history.length; t += 1) {
      for (let s = Math.max(0, t - APART_MAX); s < t; s += 1) {
        const [earlier, later] = [history[s]!, history[t]!];
        if (earlier === later) continue;
        const value = PLACE_DECAY ** (t - s - 1) * share;
        add(earlier, later, value);
        add(later, earlier, value);
      }
    }
  }
  return rows;
}

/** The neighbours as a re-ranker reads them, by number. */
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
