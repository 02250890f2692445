/** Popularity as the gateway sees it: of given products, and of the most popular ones. */
import type { ProfileStore } from "@marquetry/backends/profile-store";

export interface Popularity {
  /** The most popular products, best first, as of a second ago at most. */
  top(): Promise<readonly { readonly productId: string; readonly popularity: number }[]>;
  of(productIds: readonly string[]): Promise<Float64Array>;
}

const TOP_PRODUCTS = 200;
const KEPT_MS = 1_000;

export function createPopularity(profiles: ProfileStore): Popularity {
  let kept: { readonly until: number; readonly top: ReturnType<Popularity["top"]> } | undefined;
  return {
    top() {
      const now = Date.now();
      if (kept === undefined || kept.until <= now) {
        const top = profiles.mostPopular(TOP_PRODUCTS, now);
        kept = { until: now + KEPT_MS, top };
        // A failure is not kept: the next call asks again.
        top.catch(() => (kept = undefined));
      }
      return kept.top;
    },
    of: (productIds) => profiles.popularity(productIds, Date.now()),
  };
}
