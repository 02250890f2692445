import type { UpdateResult } from "@marquetry/backends/profile-store";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";

/** What happens to profiles that an operator wants to see: one function each. */
export type UserProfileEvents = ReturnType<typeof createUserProfileEvents>;

export function createUserProfileEvents({ metrics }: Pick<ServiceContext, "metrics">) {
  const events = metrics.counter("events_total", "Clickstream events processed", ["kind"]);
  const updates = metrics.counter("updates_total", "Updates of user profiles by outcome", [
    "outcome",
  ]);
  const unknown = metrics.counter(
    "interactions_without_product_total",
    "Interactions left out of an interest because the index does not have their product",
  );
  return {
    eventProcessed(kind: string): void {
      events.inc({ kind });
    },
    profilesUpdated(results: readonly UpdateResult[]): void {
      for (const outcome of results) updates.inc({ outcome });
    },
    interactionsWithoutProduct(count: number): void {
      unknown.inc({}, count);
    },
  };
}
