/** Diversity: a list of recommendations should not say one thing twice. */

/**
 * Keeps the first item of each group (the variants of one product, say), in their order.
 * @param items best first
 * @param groupOf the item's group; the empty string means that the item is a group of its own
 */
export function bestOfGroup<Item>(items: readonly Item[], groupOf: (item: Item) => string): Item[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const group = groupOf(item);
    if (group === "") return true;
    if (seen.has(group)) return false;
    seen.add(group);
    return true;
  });
}

/**
 * Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): selects items one by one, each
 * time the one of highest lambda * score - (1 - lambda) * (its largest similarity with a selected
 * one). Of equals the earlier item goes first. Needs limit * n calls of `similarityOf`.
 * @param items n items with scores, on the scale of the similarity
 * @param similarityOf of two items, such as their cosine
 * @param lambda in [0, 1]; 1 orders by score alone
 * @param limit how many to select, at least 0
 * @returns at most `limit` items, in the order in which they were selected
 * @throws RangeError where lambda or the limit is out of range
 */
export function mmr<Item extends { readonly score: number }>(
  items: readonly Item[],
  similarityOf: (a: Item, b: Item) => number,
  lambda: number,
  limit: number,
): Item[] {
  if (!(lambda >= 0 && lambda <= 1)) {
    throw new RangeError(`lambda: expected in [0, 1], got ${lambda}`);
  }
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new RangeError(`limit: expected an integer of at least 0, got ${limit}`);
  }
  const selected: Item[] = [];
  // The penalty of the first round is the same for all, whatever it is.
  const remaining = items.map((item) => ({ item, closest: Number.NEGATIVE_INFINITY }));
  while (selected.length < limit && remaining.length > 0) {
    const values = remaining.map(({ item, closest }) =>
      selected.length === 0 ? item.score : lambda * item.score - (1 - lambda) * closest,
    );
    const best = values.reduce((at, value, i) => (value > values[at]! ? i : at), 0);
    const [next] = remaining.splice(best, 1);
    selected.push(next!.item);
    for (const entry of remaining) {
      entry.closest = Math.max(entry.closest, similarityOf(entry.item, next!.item));
    }
  }
  return selected;
}
