/** When users are evaluated, and how new products are by then. */
import { freshness } from "@marquetry/model/ranking";
import type { Dates } from "../dataset/dataset.js";

export interface EvaluatedAt {
  /** By product. */
  readonly availableFromMs: Float64Array;
  /** By user; NaN for users who are not evaluated. */
  readonly evaluatedAtMs: Float64Array;
}

/** The dates of one part. */
export function evaluatedAt(
  { availableFromMs, evaluatedAtMs }: Dates,
  part: "valid" | "test",
): EvaluatedAt {
  return { availableFromMs, evaluatedAtMs: evaluatedAtMs[part] };
}

/**
 * 2^(-age / halfLife), as the gateway computes it at the time of evaluation. A product with a later
 * date, such as one whose date was changed, has 0: nobody saw it as new.
 * @returns in [0, 1]
 */
export function freshnessAt(
  { availableFromMs, evaluatedAtMs }: EvaluatedAt,
  user: number,
  item: number,
  halfLifeMs: number,
): number {
  const ageMs = evaluatedAtMs[user]! - availableFromMs[item]!;
  return ageMs >= 0 ? freshness(ageMs, halfLifeMs) : 0;
}
