/** Offline quality of one ranked list with binary relevance; a table is the mean over users. */

/**
 * Recall@k: the share of the relevant items that stand among the first k.
 * @param ranked ids, best first, each once
 * @param relevant ids, at least one
 * @param k at least 1
 * @returns in [0, 1]
 * @throws RangeError where nothing is relevant (leave such users out), k is no positive integer, or
 *   one of the first k ids stands twice
 */
export function recallAt<Id>(ranked: readonly Id[], relevant: ReadonlySet<Id>, k: number): number {
  return hits(ranked, relevant, k).length / relevant.size;
}

/**
 * NDCG@k = DCG / IDCG with DCG = sum over hits at places p = 1..k of 1 / log2(p + 1) and IDCG that of a
 * list with all relevant items first (Järvelin and Kekäläinen, 2002, with gains 0 and 1).
 * @returns in [0, 1]
 * @throws as `recallAt`
 */
export function ndcgAt<Id>(ranked: readonly Id[], relevant: ReadonlySet<Id>, k: number): number {
  const gain = (places: readonly number[]): number =>
    places.reduce((sum, place) => sum + 1 / Math.log2(place + 1), 0);
  const ideal = Array.from({ length: Math.min(k, relevant.size) }, (_, i) => i + 1);
  return gain(hits(ranked, relevant, k)) / gain(ideal);
}

/** Places, from 1, of the relevant items among the first k. */
function hits<Id>(ranked: readonly Id[], relevant: ReadonlySet<Id>, k: number): number[] {
  if (!Number.isSafeInteger(k) || k < 1) {
    throw new RangeError(`k: expected a positive integer, got ${k}`);
  }
  if (relevant.size === 0) throw new RangeError("relevant: no item");
  const first = ranked.slice(0, k);
  if (new Set(first).size !== first.length) throw new RangeError("ranked: an id stands twice");
  return first.flatMap((id, i) => (relevant.has(id) ? [i + 1] : []));
}
