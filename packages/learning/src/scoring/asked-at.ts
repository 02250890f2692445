/** When users are asked, and how new products are by then. */
import { freshness } from "@marquetry/model/ranking";
import type { Dates } from "../dataset/dataset.js";

export interface AskedAt {
  /** By product. */
  readonly availableFromMs: Float64Array;
  /** By user; NaN for those who are not asked. */
  readonly askedAtMs: Float64Array;
}

export function askedAt({ availableFromMs, askedAtMs }: Dates, part: "valid" | "test"): AskedAt {
  return { availableFromMs, askedAtMs: askedAtMs[part] };
}

/**
 * 2^(-age / halfLife), as the gateway has it when the user is asked. A product that came later, as
 * where its date was changed, has 0: nobody was shown it as new.
 * @returns in [0, 1]
 */
export function freshnessAt(
  { availableFromMs, askedAtMs }: AskedAt,
  user: number,
  item: number,
  halfLifeMs: number,
): number {
  const ageMs = askedAtMs[user]! - availableFromMs[item]!;
  return ageMs >= 0 ? freshness(ageMs, halfLifeMs) : 0;
}
