/** Clickstream events in, histories, interests and popularity out. */
import type { Interests } from "@marquetry/inference/sequence/interests";
import { HISTORY_EVENTS_MAX } from "@marquetry/backends/profile-store";
import type { PopularityEvent, Profile, ProfileStore } from "@marquetry/backends/profile-store";
import type { ClickstreamEvent } from "@marquetry/contracts/events/clickstream_pb";
import { byTimeThenId, interactionOf } from "@marquetry/contracts/interactions";
import type { Bundle } from "@marquetry/model/bundle";
import { tastesAround } from "@marquetry/model/interests/multi-interest";
import type { Interaction } from "@marquetry/contracts/interactions";
import type { UserProfileEvents } from "./events.js";
import type { ProductVectors } from "./product-vectors.js";

/** An event and its place in the source partition. */
export interface PlacedEvent {
  readonly offset: bigint;
  readonly event: ClickstreamEvent;
}

/** Takes events of one partition, in order. */
export type UpdateProfiles = (partition: number, events: readonly PlacedEvent[]) => Promise<void>;

/**
 * Popularity goes first and profiles follow: where the process dies between the two, the batch comes
 * again, the histories still lack its events, so that the same events are weighed, and the store's
 * offset guard drops what is already counted.
 */
export function createUpdateProfiles(parts: {
  readonly bundle: Bundle;
  readonly interests: Interests;
  readonly profiles: ProfileStore;
  readonly productVectors: ProductVectors;
  readonly events: UserProfileEvents;
}): UpdateProfiles {
  const { bundle, interests, profiles, productVectors, events: happened } = parts;
  return async (partition, events) => {
    const byUser = Map.groupBy(events, ({ event }) => event.userId);
    const userIds = [...byUser.keys()];
    const stored = new Map(
      (await profiles.read(userIds)).map(
        (profile, at) => [userIds[at], profile?.history ?? []] as const,
      ),
    );
    await profiles.addPopularity(
      { partition, offset: events.at(-1)?.offset ?? 0n },
      [...byUser].flatMap(([userId, own]) => popularityOf(own, stored.get(userId) ?? [], bundle)),
    );
    // One bulk read for the whole batch.
    const touched = [...byUser].flatMap(
      ([userId, own]) => historyAfter(stored.get(userId) ?? [], own) ?? [],
    );
    const vectors = await productVectors(touched.map(({ productId }) => productId));
    const results = await profiles.update(
      [...byUser].map(([userId, own]) => ({
        userId,
        source: { partition, offset: own.at(-1)?.offset ?? 0n },
        change: async (profile) => {
          const history = historyAfter(profile.history, own);
          return history === undefined
            ? undefined
            : { history, interests: await interestsOf(history, vectors) };
        },
      })),
    );
    // Counted once all is stored: an attempt that fails comes again.
    for (const { event } of events) happened.eventTaken(event.event.case ?? "none");
    happened.profilesUpdated(results);
  };

  async function interestsOf(
    history: readonly Interaction[],
    read: Awaited<ReturnType<ProductVectors>>,
  ): Promise<Profile["interests"]> {
    // Another writer may have brought in products that were not read with the batch.
    const unread = history.filter(({ productId }) => !read.has(productId));
    const more = await productVectors(unread.map(({ productId }) => productId));
    const known = history.flatMap(({ productId, action, occurredAtMs }) => {
      const vector = read.get(productId) ?? more.get(productId);
      return vector === undefined ? [] : [{ vector, action, occurredAtMs }];
    });
    happened.behavioursWithoutProduct(history.length - known.length);
    // The users of a batch ask at the same time, so that a sequence model takes them together.
    const [interest] = await interests.of([known]);
    return interest === undefined ? [] : tastesAround(bundle.interests, interest, known);
  }
}

/** The history with the events taken in; undefined where the last word is an erasure. */
function historyAfter(
  stored: readonly Interaction[],
  events: readonly PlacedEvent[],
): Interaction[] | undefined {
  const history = new Map(stored.map((behaviour) => [behaviour.eventId, behaviour]));
  let erased = false;
  for (const { event } of events) {
    erased = event.event.case === "erased";
    if (erased) history.clear();
    const behaviour = interactionOf(event);
    if (behaviour !== undefined && !history.has(behaviour.eventId))
      history.set(behaviour.eventId, behaviour);
  }
  if (erased) return undefined;
  return [...history.values()].sort(byTimeThenId).slice(-HISTORY_EVENTS_MAX);
}

/** An event that the user's history already holds is not counted again. */
function popularityOf(
  events: readonly PlacedEvent[],
  stored: readonly Interaction[],
  { ranking }: Bundle,
): PopularityEvent[] {
  const seen = new Set(stored.map(({ eventId }) => eventId));
  return events.flatMap(({ offset, event }) => {
    // As for the history: what comes out must not depend on where batches begin.
    if (event.event.case === "erased") seen.clear();
    const behaviour = interactionOf(event);
    if (behaviour === undefined || seen.has(behaviour.eventId)) return [];
    seen.add(behaviour.eventId);
    const { productId, action, occurredAtMs } = behaviour;
    return [{ offset, productId, weight: ranking.actionWeights[action] ?? 0, occurredAtMs }];
  });
}
