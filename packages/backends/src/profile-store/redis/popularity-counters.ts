import { compareProducts, popularityAt, REBASE_HALF_LIVES } from "../popularity-decay.js";
import type { ScoredProduct } from "../popularity-decay.js";
import type {
  PopularityEvent,
  ProfileStoreOptions,
  SourceOffset,
  UpdateResult,
} from "../profile-store.js";
import type { Client } from "./client.js";
import { offsetField, popularityKeys } from "./keys.js";

const PRODUCTS_PER_READ = 1_000;

export function createPopularityCounters(client: Client, options: Required<ProfileStoreOptions>) {
  const { scores, state } = popularityKeys(options.bundleId);

  async function add(
    source: SourceOffset,
    events: readonly PopularityEvent[],
  ): Promise<UpdateResult> {
    const latestMs = events.reduce((max, event) => Math.max(max, event.occurredAtMs), -Infinity);
    const reply = await client.addPopularity(
      scores,
      state,
      offsetField(source.partition),
      source.offset.toString(),
      options.popularityHalfLifeMs,
      options.popularityProductsMax,
      REBASE_HALF_LIVES,
      latestMs,
      ...events.flatMap(({ productId, weight, occurredAtMs, offset = source.offset }) => [
        productId,
        weight,
        occurredAtMs,
        offset.toString(),
      ]),
    );
    return reply === 1 ? "applied" : "already-applied";
  }

  async function read(productIds: readonly string[], atMs: number): Promise<Float64Array> {
    const values = new Float64Array(productIds.length);
    for (let start = 0; start < productIds.length; start += PRODUCTS_PER_READ) {
      const ids = productIds.slice(start, start + PRODUCTS_PER_READ);
      const reply = await client.readPopularity(scores, state, ...ids);
      if (reply.length === 0) return values;
      const [head, stored] = reply;
      for (const [i, score] of stored.entries()) {
        values[start + i] = popularityOf(score, head, atMs);
      }
    }
    return values;
  }

  async function most(limit: number, atMs: number): Promise<ScoredProduct[]> {
    const reply = await client.mostPopular(scores, state, limit);
    if (reply.length === 0) return [];
    const [head, stored] = reply;
    const products: ScoredProduct[] = [];
    for (let i = 0; i < stored.length; i += 2) {
      const popularity = popularityOf(stored[i + 1]!, head, atMs);
      if (popularity > 0) products.push({ productId: stored[i]!, popularity });
    }
    // Scores that differ may read as one popularity, where ties go by id again.
    return products.sort(compareProducts);
  }

  return { add, read, most };
}

/** Scores are stored negated. */
function popularityOf(score: string | null, head: [string, string], atMs: number): number {
  if (score === null) return 0;
  return popularityAt(-Number(score), Number(head[0]), Number(head[1]), atMs);
}
