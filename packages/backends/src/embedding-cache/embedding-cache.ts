import type { Resource } from "@marquetry/runtime/lifecycle";

/**
 * The embedding cache: vectors by key, so that content which comes again is not encoded again.
 *
 * Guarantees of every implementation, checked by `embedding-cache.contract.ts`:
 * - **Forgetting**: what was set may be gone at any time, and is gone `ttlSeconds` after it was last
 *   set. Beyond `megabytes` the vectors used longest ago leave first (Redis counts by the sixteenth
 *   of the keys, so a little early).
 * - **Never in the way**: no call but `ping` throws. While the cache is unavailable nothing is found
 *   and nothing is stored, each call ends within a second or so, and `onFailure` hears of it.
 * - **Visibility**: what a resolved `set` stored, every later `get` finds, of other processes too where
 *   the cache is shared.
 * - **Bytes**: vectors come back bit for bit. A value that is no vector is as good as none.
 *
 * Keys are 1 to 256 printable ASCII characters, in practice digests. One key always means one
 * vector: who sets it again sets the same.
 */
export interface EmbeddingCache extends Resource {
  /** The vectors in the order of the keys, `undefined` where none is stored. */
  get(keys: readonly string[]): Promise<(Float32Array | undefined)[]>;

  /** Stores the vectors, in any number. A vector of no dimension is not stored. */
  set(vectors: ReadonlyMap<string, Float32Array>): Promise<void>;

  /** Resolves when the cache answers. @throws MarquetryError `unavailable` */
  ping(): Promise<void>;

  /** Gives up the connection; nothing may be called afterwards, but `close` itself. */
  close(): Promise<void>;
}

export interface EmbeddingCacheOptions {
  /** Bound on what is stored: of this process, or of all that share one Redis. */
  readonly megabytes: number;
  /** Default: 30 days. */
  readonly ttlSeconds?: number;
  /** Hears of each call that found the cache unavailable. */
  readonly onFailure?: (error: unknown) => void;
}

export const EMBEDDING_TTL_SECONDS = 30 * 86_400;
export const MEGABYTE = 1_048_576;
/** What an entry costs besides its numbers: its key, twice on Redis, and what stands around it. */
export const ENTRY_BYTES_EXTRA = 256;
