import type { PopularityEvent } from "./profile-store.js";

/*
 * Forward decay (Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009): against a fixed landmark L the
 * stored score of a product is S = sum_i w_i 2^((t_i - L) / H), which no passing of time changes; its
 * popularity at t is S 2^((L - t) / H). Only when an event lies so far beyond L that the exponent
 * nears the end of a double is the landmark moved to it and every score multiplied by the same power.
 */

/** Half-lives between landmark and event from which the landmark moves: 2^512, a double ends at 2^1024. */
export const REBASE_HALF_LIVES = 512;

export interface ScoredProduct {
  readonly productId: string;
  readonly popularity: number;
}

/** What one event adds to the score: w 2^((t - L) / H). 0 where it lies too far before L to count. */
export function forwardWeight(
  event: PopularityEvent,
  landmarkMs: number,
  halfLifeMs: number,
): number {
  return event.weight * 2 ** ((event.occurredAtMs - landmarkMs) / halfLifeMs);
}

/** Popularity at `atMs` of a score, never below 0 and always finite. */
export function popularityAt(
  score: number,
  landmarkMs: number,
  halfLifeMs: number,
  atMs: number,
): number {
  if (score <= 0) return 0;
  const halfLives = (landmarkMs - atMs) / halfLifeMs;
  // In two steps: the power alone may leave the range of a double where the product does not.
  const whole = Math.trunc(halfLives / 2);
  return Math.min(score * 2 ** whole * 2 ** (halfLives - whole), Number.MAX_VALUE);
}

/**
 * The landmark after a batch: the old one while the latest event is within reach of it, else that
 * event's time; the first batch sets it.
 */
export function nextLandmark(
  landmarkMs: number | undefined,
  latestMs: number,
  halfLifeMs: number,
): number {
  if (landmarkMs === undefined) return latestMs;
  return (latestMs - landmarkMs) / halfLifeMs > REBASE_HALF_LIVES ? latestMs : landmarkMs;
}

/** Highest first; ties by ascending UTF-8 bytes of the id, the order of a Redis sorted set. */
export function compareProducts(a: ScoredProduct, b: ScoredProduct): number {
  if (a.popularity !== b.popularity) return b.popularity - a.popularity;
  return Buffer.compare(Buffer.from(a.productId), Buffer.from(b.productId));
}
