import { compareProducts, forwardWeight, nextLandmark, popularityAt } from "./popularity-decay.js";
import type { ScoredProduct } from "./popularity-decay.js";
import type {
  PopularityEvent,
  ProfileStoreOptions,
  SourceOffset,
  UpdateResult,
} from "./profile-store.js";

type Options = Pick<
  Required<ProfileStoreOptions>,
  "popularityHalfLifeMs" | "popularityProductsMax"
>;

/** Popularity counters inside the process. */
export class PopularityCounters {
  readonly #options: Options;
  readonly #scores = new Map<string, number>();
  /** Last offset applied, by partition. */
  readonly #offsets = new Map<number, bigint>();
  #landmarkMs: number | undefined;
  #ranked: ScoredProduct[] | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  add(source: SourceOffset, events: readonly PopularityEvent[]): UpdateResult {
    const applied = this.#offsets.get(source.partition) ?? -1n;
    if (applied >= source.offset) return "already-applied";
    this.#offsets.set(source.partition, source.offset);
    if (events.length === 0) return "applied";
    this.#ranked = undefined;
    const landmarkMs = this.#moveLandmark(events);
    for (const event of events) {
      if ((event.offset ?? source.offset) <= applied) continue;
      const weight = forwardWeight(event, landmarkMs, this.#options.popularityHalfLifeMs);
      if (weight === 0) continue;
      this.#scores.set(event.productId, (this.#scores.get(event.productId) ?? 0) + weight);
    }
    this.#trim();
    return "applied";
  }

  at(productId: string, atMs: number): number {
    const score = this.#scores.get(productId) ?? 0;
    const { popularityHalfLifeMs } = this.#options;
    return popularityAt(score, this.#landmarkMs ?? atMs, popularityHalfLifeMs, atMs);
  }

  most(limit: number, atMs: number): ScoredProduct[] {
    return this.#ranking()
      .slice(0, Math.max(0, limit))
      .map(({ productId }) => ({ productId, popularity: this.at(productId, atMs) }))
      .filter(({ popularity }) => popularity > 0)
      .sort(compareProducts);
  }

  clear(): void {
    this.#scores.clear();
    this.#offsets.clear();
    this.#ranked = undefined;
    this.#landmarkMs = undefined;
  }

  /** By score: no passing of time changes the order. Sorted once after each change. */
  #ranking(): readonly ScoredProduct[] {
    this.#ranked ??= Array.from(this.#scores, ([productId, score]) => {
      return { productId, popularity: score };
    }).sort(compareProducts);
    return this.#ranked;
  }

  #moveLandmark(events: readonly PopularityEvent[]): number {
    const halfLifeMs = this.#options.popularityHalfLifeMs;
    const latestMs = events.reduce((max, event) => Math.max(max, event.occurredAtMs), -Infinity);
    const landmarkMs = nextLandmark(this.#landmarkMs, latestMs, halfLifeMs);
    if (landmarkMs === this.#landmarkMs) return landmarkMs;
    const factor = 2 ** (((this.#landmarkMs ?? landmarkMs) - landmarkMs) / halfLifeMs);
    for (const [productId, score] of this.#scores) {
      if (score * factor === 0) this.#scores.delete(productId);
      else this.#scores.set(productId, score * factor);
    }
    this.#landmarkMs = landmarkMs;
    return landmarkMs;
  }

  #trim(): void {
    const { popularityProductsMax } = this.#options;
    if (this.#scores.size <= popularityProductsMax) return;
    for (const { productId } of this.#ranking().slice(popularityProductsMax)) {
      this.#scores.delete(productId);
    }
    this.#ranked = undefined;
  }
}
