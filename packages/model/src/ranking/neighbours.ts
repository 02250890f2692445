/**
 * Products that people had together, as a trainer counted them: of each product its nearest, with a
 * weight K(i, j) (item-based collaborative filtering, Sarwar et al., WWW 2001; Linden et al., IEEE
 * Internet Computing 7 (1), 2003). A re-ranker reads them.
 */

/** Sparse rows of K, by compressed rows. */
export interface ProductNeighbours {
  /** Product ids, each once; a product's number is its place here. Shape [n]. */
  readonly ids: readonly string[];
  /** Product i has the entries starts[i] up to starts[i + 1]. Shape [n + 1]. */
  readonly starts: Int32Array;
  /** The neighbour's number, rising within a product. Shape [entries]. */
  readonly products: Int32Array;
  /** K, finite, at least 0. Shape [entries]. */
  readonly weights: Float32Array;
}

/** A product's neighbours, each once, with their weights; undefined for an unknown product. */
export type NeighboursOf<Id> = (product: Id) => Iterable<readonly [Id, number]> | undefined;

/**
 * A row is made when it is read, so that beside the tensors only a number per id is kept: for
 * 100,000 products with 50 neighbours and ids of 10 characters 40 MB of tensors and 8 MB of ids.
 * @param neighbours as `assertProductNeighbours` lets through
 */
export function neighboursById(neighbours: ProductNeighbours): NeighboursOf<string> {
  const { ids, starts, products, weights } = neighbours;
  const numberOf = new Map(ids.map((id, number) => [id, number]));
  return (id) => {
    const number = numberOf.get(id);
    if (number === undefined) return undefined;
    const [start, end] = [starts[number]!, starts[number + 1]!];
    return Array.from(products.subarray(start, end), (product, at) => [
      ids[product]!,
      weights[start + at]!,
    ]);
  };
}

/** @throws RangeError that names the field, such as `neighbours.starts`, and what was expected */
export function assertProductNeighbours(neighbours: ProductNeighbours): void {
  const { ids, starts, products, weights } = neighbours;
  const seen = new Set<string>();
  for (const id of ids) {
    if (seen.has(id)) {
      throw new RangeError(`neighbours.ids: expected each product once, got ${JSON.stringify(id)}`);
    }
    seen.add(id);
  }
  assertLength("starts", starts, ids.length + 1);
  assertLength("weights", weights, products.length);
  if (starts[0] !== 0 || starts[ids.length] !== products.length) {
    throw new RangeError(
      `neighbours.starts: expected 0 to ${products.length}, got ${starts[0]} to ${starts[ids.length]}`,
    );
  }
  // First all of them: what rises to the right end stays within the entries.
  for (let i = 0; i < ids.length; i += 1) {
    if (starts[i + 1]! >= starts[i]!) continue;
    const message = `element ${i + 1} is ${starts[i + 1]}, expected at least ${starts[i]}`;
    throw new RangeError(`neighbours.starts: ${message}`);
  }
  for (let i = 0; i < ids.length; i += 1) assertRow(neighbours, starts[i]!, starts[i + 1]!);
}

function assertLength(name: string, { length }: { readonly length: number }, expected: number) {
  if (length === expected) return;
  throw new RangeError(`neighbours.${name}: expected ${expected} elements, got ${length}`);
}

function assertRow({ ids, products, weights }: ProductNeighbours, start: number, end: number) {
  for (let at = start; at < end; at += 1) {
    const product = products[at]!;
    const least = at === start ? 0 : products[at - 1]! + 1;
    if (product < least || product >= ids.length) {
      const message = `element ${at} is ${product}, expected ${least} to ${ids.length - 1}`;
      throw new RangeError(`neighbours.products: ${message}`);
    }
    if (!(weights[at]! >= 0 && weights[at]! < Infinity)) {
      const message = `element ${at} is ${weights[at]}, expected a finite number of at least 0`;
      throw new RangeError(`neighbours.weights: ${message}`);
    }
  }
}

/**
 * Ids as bytes: a JSON list in UTF-8, which holds every string, whatever characters are in it.
 * @returns shape [bytes]
 */
export function idsToBytes(ids: readonly string[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(ids));
}

/**
 * The inverse of `idsToBytes`.
 * @param path of the field, for messages
 * @throws RangeError where the bytes are no such list
 */
export function idsFromBytes(bytes: Uint8Array, path: string): string[] {
  let ids: unknown;
  try {
    ids = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new RangeError(`${path}: expected a JSON list of strings in UTF-8`, { cause });
  }
  if (Array.isArray(ids) && ids.every((id) => typeof id === "string")) return ids;
  throw new RangeError(`${path}: expected a JSON list of strings in UTF-8`);
}
