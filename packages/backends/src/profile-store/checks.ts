import { MarquetryError } from "@marquetry/runtime/errors";
import type {
  PopularityEvent,
  ProfileStoreOptions,
  ProfileUpdate,
  SourceOffset,
} from "./profile-store.js";

// What is wrong in the arguments alone is refused here, before either implementation sees it.

// The contracts allow ids of 256 characters, 4 bytes each at most.
const ID_BYTES_MAX = 1024;

/** Largest absolute weight; with it and 2^512 a score overflows only after 2^470 events. */
const POPULARITY_WEIGHT_MAX = 1e12;

/** Events of one call, which is one step of the store. */
const POPULARITY_EVENTS_MAX = 10_000;

/**
 * An id that UTF-8 carries without loss (no half of a surrogate pair) and within bounds.
 * @throws MarquetryError `invalid`
 */
export function checkId(id: string, field: string): void {
  if (id.length === 0 || !id.isWellFormed() || Buffer.byteLength(id) > ID_BYTES_MAX) {
    throw invalid(field, `1 to ${ID_BYTES_MAX} bytes of well-formed text`);
  }
}

/** @throws MarquetryError `invalid` */
export function checkUpdates(updates: readonly ProfileUpdate[]): void {
  const seen = new Set<string>();
  for (const { userId, source } of updates) {
    checkId(userId, "userId");
    checkSource(source);
    if (seen.has(userId)) {
      throw new MarquetryError("invalid", "userId: each user at most once per update", {
        field: "userId",
      });
    }
    seen.add(userId);
  }
}

/** @throws MarquetryError `invalid` */
export function checkSource({ partition, offset }: SourceOffset): void {
  if (Number.isSafeInteger(partition) && partition >= 0 && offset >= 0n) return;
  throw invalid("source", "a partition and an offset of 0 or more");
}

/** @throws MarquetryError `invalid` */
export function checkPopularityEvents(events: readonly PopularityEvent[]): void {
  if (events.length > POPULARITY_EVENTS_MAX) {
    throw new MarquetryError(
      "invalid",
      `at most ${POPULARITY_EVENTS_MAX} popularity events a call`,
    );
  }
  for (const [i, event] of events.entries()) {
    checkId(event.productId, `events[${i}].productId`);
    if (!(Math.abs(event.weight) <= POPULARITY_WEIGHT_MAX)) {
      const field = `events[${i}].weight`;
      throw new MarquetryError("invalid", `${field}: at most ${POPULARITY_WEIGHT_MAX}`, { field });
    }
    checkInstant(event.occurredAtMs, `events[${i}].occurredAtMs`);
  }
}

/** @throws MarquetryError `invalid` */
export function checkInstant(instantMs: number, field: string): void {
  if (Math.abs(instantMs) <= Number.MAX_SAFE_INTEGER) return;
  throw invalid(field, "milliseconds since the epoch");
}

/** @throws MarquetryError `invalid` */
export function checkOptions(options: Required<ProfileStoreOptions>): void {
  checkId(options.bundleId, "bundleId");
  for (const field of ["ttlSeconds", "popularityHalfLifeMs", "popularityProductsMax"] as const) {
    if (Number.isSafeInteger(options[field]) && options[field] > 0) continue;
    throw invalid(field, "a whole number above 0");
  }
}

export function invalid(field: string, expected: string): MarquetryError {
  return new MarquetryError("invalid", `${field}: expected ${expected}`, { field });
}
