/** Keeps the best `limit` of the slots offered to it, by score and then by `precedes`. */
export interface TopK {
  /** Lowest score that may still enter; a caller may skip what lies below. */
  threshold(): number;
  offer(slot: number, score: number): void;
  /** Best first. */
  sorted(): { slot: number; score: number }[];
}

/**
 * A bounded binary heap with the worst kept slot at its root: n offers cost O(n log limit) at most,
 * and O(n) in practice, since most of them lie below the threshold.
 *
 * @param precedes whether slot `a` comes before slot `b` where their scores are equal
 */
export function createTopK(limit: number, precedes: (a: number, b: number) => boolean): TopK {
  const slots: number[] = [];
  const scores: number[] = [];

  /** Whether the entry at heap position `a` is worse than the one at `b`. */
  function worse(a: number, b: number): boolean {
    if (scores[a] !== scores[b]) return scores[a]! < scores[b]!;
    return precedes(slots[b]!, slots[a]!);
  }

  function swap(a: number, b: number): void {
    [slots[a], slots[b]] = [slots[b]!, slots[a]!];
    [scores[a], scores[b]] = [scores[b]!, scores[a]!];
  }

  function siftUp(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!worse(at, parent)) return;
      swap(at, parent);
      at = parent;
    }
  }

  function siftDown(): void {
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= slots.length) return;
      const right = left + 1;
      const child = right < slots.length && worse(right, left) ? right : left;
      if (!worse(child, at)) return;
      swap(child, at);
      at = child;
    }
  }

  return {
    threshold: () => (slots.length < limit ? -Infinity : scores[0]!),

    offer(slot, score) {
      if (slots.length < limit) {
        slots.push(slot);
        scores.push(score);
        siftUp(slots.length - 1);
        return;
      }
      const root = scores[0]!;
      if (score < root || (score === root && !precedes(slot, slots[0]!))) return;
      slots[0] = slot;
      scores[0] = score;
      siftDown();
    },

    sorted() {
      const entries = slots.map((slot, i) => ({ slot, score: scores[i]! }));
      return entries.sort((a, b) => b.score - a.score || (precedes(a.slot, b.slot) ? -1 : 1));
    },
  };
}
