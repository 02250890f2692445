/** Popularity: of single products, and of the most popular ones. */
import type { ProfileStore } from "@marquetry/backends/profile-store";

export interface Popularity {
  /** The most popular products, best first, at most a second old. */
  top(): Promise<readonly { readonly productId: string; readonly popularity: number }[]>;
  of(productIds: readonly string[]): Promise<Float64Array>;
}

const TOP_PRODUCTS = 200;
const TOP_MS_MAX = 1_000;

export function createPopularity(profiles: ProfileStore): Popularity {
  let cached: { readonly until: number; readonly top: ReturnType<Popularity["top"]> } | undefined;
  return {
    top() {
      const now = Date.now();
      if (cached === undefined || cached.until <= now) {
        const top = profiles.mostPopular(TOP_PRODUCTS, now);
        cached = { until: now + TOP_MS_MAX, top };
        // A failure is not cached: the next call reads again.
        top.catch(() => (cached = undefined));
      }
      return cached.top;
    },
    of: (productIds) => profiles.popularity(productIds, Date.now()),
  };
}
