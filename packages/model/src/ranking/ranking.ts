/** Ranking: similarity, popularity and freshness together decide the order. */

/**
 * Exponential decay: value * 2^(-elapsed / halfLife). It composes: decaying by t1 and then by t2 is
 * decaying by t1 + t2, so a counter may be decayed whenever it is touched.
 * @param elapsedMs milliseconds; below 0 it grows back
 * @param halfLifeMs milliseconds, above 0
 * @throws RangeError where a number is not finite or the half-life not above 0
 */
export function decay(value: number, elapsedMs: number, halfLifeMs: number): number {
  assertNumber("value", value);
  assertNumber("elapsed time", elapsedMs);
  assertHalfLife(halfLifeMs);
  return value * 2 ** (-elapsedMs / halfLifeMs);
}

/**
 * ln(1 + popularity) / ln(1 + popularityMax): how popular a product is beside the most popular one.
 * The logarithm because popularity is heavy-tailed: the tenth sale says more than the thousandth.
 * @param popularity at least 0; below 0 counts as 0, above the maximum as the maximum
 * @param popularityMax of all products
 * @returns in [0, 1]; 0 where nothing is popular
 * @throws RangeError where a number is not finite
 */
export function popularityScore(popularity: number, popularityMax: number): number {
  assertNumber("popularity", popularity);
  assertNumber("popularityMax", popularityMax);
  if (popularityMax <= 0) return 0;
  return Math.log1p(Math.min(Math.max(popularity, 0), popularityMax)) / Math.log1p(popularityMax);
}

/**
 * 2^(-age / halfLife): 1 for a new product, half after each half-life.
 * @param ageMs milliseconds since the product became available; below 0 (not yet) counts as new
 * @param halfLifeMs milliseconds, above 0
 * @returns in [0, 1]
 * @throws RangeError where a number is not finite or the half-life not above 0
 */
export function freshness(ageMs: number, halfLifeMs: number): number {
  return decay(1, Math.max(0, ageMs), halfLifeMs);
}

/** What a score is made of: as measured, as weights, or as weighted contributions. */
export interface ScoreParts {
  readonly similarity: number;
  readonly popularity: number;
  readonly freshness: number;
}

export interface RankingModel {
  readonly weights: ScoreParts;
  /** Milliseconds, above 0. */
  readonly freshnessHalfLifeMs: number;
  /** Milliseconds, above 0. */
  readonly popularityHalfLifeMs: number;
  /** What an interaction adds to its product's popularity, by action; may be negative. */
  readonly actionWeights: Readonly<Record<string, number>>;
  /** The least popularity score of any product, in [0, 1]. It lifts products that nobody had yet, which
   * would otherwise stand behind everything. Default: 0. */
  readonly popularityFloor?: number;
}

export interface ComposedScore {
  /** The sum of `parts`. */
  readonly score: number;
  /** Each part times its weight. */
  readonly parts: ScoreParts;
}

/**
 * score = w_s similarity + w_p popularity + w_f freshness. The similarity enters as it is, in
 * [-1, 1] for cosines, so that dislike counts; popularity and freshness are in [0, 1].
 * @throws RangeError where a number is not finite
 */
export function composeScore(parts: ScoreParts, weights: ScoreParts): ComposedScore {
  const weighted = {
    similarity: parts.similarity * weights.similarity,
    popularity: parts.popularity * weights.popularity,
    freshness: parts.freshness * weights.freshness,
  };
  for (const [name, value] of Object.entries(weighted)) assertNumber(name, value);
  return {
    score: weighted.similarity + weighted.popularity + weighted.freshness,
    parts: weighted,
  };
}

function assertNumber(name: string, value: number): void {
  if (!Number.isFinite(value)) throw new RangeError(`${name}: ${value} is not a finite number`);
}

function assertHalfLife(halfLifeMs: number): void {
  if (!(halfLifeMs > 0 && Number.isFinite(halfLifeMs))) {
    throw new RangeError(`half-life: expected milliseconds above 0, got ${halfLifeMs}`);
  }
}
