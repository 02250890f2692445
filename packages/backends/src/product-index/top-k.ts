/** Keeps the best `limit` of the rows offered to it, by score and then by `precedes`. */
export interface TopK {
  /** Lowest score that may still enter; a caller may skip what lies below. */
  threshold(): number;
  offer(row: number, score: number): void;
  /** Best first. */
  sorted(): { row: number; score: number }[];
}

/**
 * A bounded binary heap with the worst row at its root: n offers cost O(n log limit) at most,
 * and O(n) in practice, since most of them lie below the threshold.
 *
 * @param precedes whether row `a` comes before row `b` where their scores are equal
 */
export function createTopK(limit: number, precedes: (a: number, b: number) => boolean): TopK {
  const rows: number[] = [];
  const scores: number[] = [];

  /** Whether the entry at heap position `a` is worse than the one at `b`. */
  function worse(a: number, b: number): boolean {
    if (scores[a] !== scores[b]) return scores[a]! < scores[b]!;
    return precedes(rows[b]!, rows[a]!);
  }

  function swap(a: number, b: number): void {
    [rows[a], rows[b]] = [rows[b]!, rows[a]!];
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
      if (left >= rows.length) return;
      const right = left + 1;
      const child = right < rows.length && worse(right, left) ? right : left;
      if (!worse(child, at)) return;
      swap(child, at);
      at = child;
    }
  }

  return {
    threshold: () => (rows.length < limit ? -Infinity : scores[0]!),

    offer(row, score) {
      if (rows.length < limit) {
        rows.push(row);
        scores.push(score);
        siftUp(rows.length - 1);
        return;
      }
      const root = scores[0]!;
      if (score < root || (score === root && !precedes(row, rows[0]!))) return;
      rows[0] = row;
      scores[0] = score;
      siftDown();
    },

    sorted() {
      const entries = rows.map((row, i) => ({ row, score: scores[i]! }));
      return entries.sort((a, b) => b.score - a.score || (precedes(a.row, b.row) ? -1 : 1));
    },
  };
}
