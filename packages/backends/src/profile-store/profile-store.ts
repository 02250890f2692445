import type { Interaction } from "@marquetry/contracts/interactions";
import type { Resource } from "@marquetry/runtime/lifecycle";

/**
 * The profile store: per user a bounded history and interest vectors, and the time-decayed
 * popularity of products. A store opened for a bundle sees nothing of another bundle's.
 *
 * Guarantees of every implementation, checked by `profile-store.contract.ts`:
 * - **Atomic**: an update of one user happens whole or not at all; two writers of one user never
 *   lose each other's update (the loser computes its change again on the new state).
 * - **Idempotent**: an update names the source partition and offset of the last event in it. Where
 *   the profile already has that offset or a later one of the partition, nothing happens. The
 *   offsets survive erasure, so a replay brings nobody back.
 * - **Bounded**: histories hold at most `HISTORY_EVENTS_MAX` interactions, popularity at most
 *   `popularityProductsMax` products (the least popular leave); profiles expire `ttlSeconds` after
 *   their last write.
 * - **Exact**: vectors and numbers are read back bit for bit as written.
 * - **Checked**: ids are 1 to 1,024 bytes of well-formed text, vectors finite and of one dimension,
 *   weights finite, times of interactions whole; anything else is refused as `invalid` and nothing
 *   is written.
 * - **Visibility**: what a resolved call wrote, every later read sees. Where a write throws, any
 *   part of it may be stored; repeating it is safe.
 * - **Closing**: after `close()` every call but `close` throws `unavailable`.
 *
 * Every method throws MarquetryError `unavailable` where the store cannot be reached or is closed, and
 * `corrupt` where what it reads is damaged.
 */
export interface ProfileStore extends Resource {
  /** Several users at once; undefined where nothing is stored. In the order of the ids. */
  read(userIds: readonly string[]): Promise<(Profile | undefined)[]>;

  /**
   * Updates several users, each once (naming one twice is `invalid`). `change` gets the profile as
   * stored (an empty one for a new user) and answers the new one, or undefined to erase everything
   * stored about the user; it may be called again where another writer came between, and is not called
   * where the update is already applied. Results come in the order of `updates`.
   *
   * A `change` that throws, or answers what cannot be stored, leaves its user untouched; the others are
   * applied, and then the call rejects with the first such error. Doing the whole batch again is safe.
   * @throws MarquetryError `overloaded` where too many writers contend for one user
   */
  update(updates: readonly ProfileUpdate[]): Promise<UpdateResult[]>;

  /**
   * Adds to the popularity counters, once per source partition and offset: of a batch that comes
   * again with further events behind it, only these are added.
   * A counter decays by half every `popularityHalfLifeMs`: the value at time t of weights w_i added
   * at times t_i is sum_i w_i 2^-((t - t_i) / halfLife) (forward decay, Cormode et al., ICDE 2009).
   * An event hundreds of half-lives in the future outweighs all others for good: callers bound
   * `occurredAtMs` by their clock.
   */
  addPopularity(source: SourceOffset, events: readonly PopularityEvent[]): Promise<UpdateResult>;

  /** Popularity at time `atMs` (milliseconds since the epoch), 0 for unknown products. */
  popularity(productIds: readonly string[], atMs: number): Promise<Float64Array>;

  /**
   * The products of a popularity above 0 at time `atMs`, highest first; ties by ascending product id
   * (by its UTF-8 bytes).
   */
  mostPopular(limit: number, atMs: number): Promise<{ productId: string; popularity: number }[]>;

  /** Deletes everything of this bundle. */
  clear(): Promise<void>;

  /** Resolves when the store answers. @throws MarquetryError `unavailable` */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface ProfileStoreOptions {
  readonly bundleId: string;
  /** Counts where profiles are written. Default: 180 days. */
  readonly ttlSeconds?: number;
  readonly popularityHalfLifeMs: number;
  /** Counts where popularity is written. Default: 1,000,000. */
  readonly popularityProductsMax?: number;
}

export const HISTORY_EVENTS_MAX = 100;
export const PROFILE_TTL_SECONDS = 180 * 86_400;
export const POPULARITY_PRODUCTS_MAX = 1_000_000;

export interface Profile {
  /** Ascending by time, then by event id; at most `HISTORY_EVENTS_MAX`. */
  readonly history: readonly Interaction[];
  /** Interest vectors, all of one dimension; none while no product of the history is known. */
  readonly interests: readonly Float32Array[];
}

export interface SourceOffset {
  readonly partition: number;
  readonly offset: bigint;
}

export interface ProfileUpdate {
  readonly userId: string;
  readonly source: SourceOffset;
  readonly change: (stored: Profile) => Promise<Profile | undefined> | Profile | undefined;
}

export type UpdateResult = "applied" | "already-applied";

export interface PopularityEvent {
  readonly productId: string;
  /** The event's own offset. Must not exceed that of the call. Default: the call's offset. */
  readonly offset?: bigint;
  /** Finite, at most 1e12 either way. May be negative; a sum below 0 reads as 0. */
  readonly weight: number;
  /** Milliseconds since the epoch. */
  readonly occurredAtMs: number;
}
