/** Clickstream events in, histories, interests and popularity out. */
import { HISTORY_EVENTS_MAX } from "@marquetry/backends/profile-store";
import type { PopularityEvent, Profile, ProfileStore } from "@marquetry/backends/profile-store";
import type { ClickstreamEvent } from "@marquetry/contracts/events/clickstream_pb";
import { byTimeThenId, interactionOf } from "@marquetry/contracts/interactions";
import type { Interaction } from "@marquetry/contracts/interactions";
import type { Interests } from "@marquetry/inference/interests";
import type { Bundle } from "@marquetry/model/bundle";
import type { UserProfileEvents } from "./events.js";
import type { ProductVectors } from "./product-vectors.js";

/** An event and its place in the source partition. */
export interface PlacedEvent {
  readonly offset: bigint;
  readonly event: ClickstreamEvent;
}

/** Processes events of one partition, in order. */
export type UpdateProfiles = (partition: number, events: readonly PlacedEvent[]) => Promise<void>;

export interface UpdateProfilesDeps {
  readonly bundle: Bundle;
  readonly interests: Interests;
  readonly profiles: ProfileStore;
  readonly productVectors: ProductVectors;
  readonly events: UserProfileEvents;
}

/**
 * Popularity goes first and profiles follow: where the process dies between the two, the batch comes
 * again, the histories still lack its events, so that the same events are weighed, and the store's
 * offset guard drops what is already counted.
 */
export function createUpdateProfiles(deps: UpdateProfilesDeps): UpdateProfiles {
  const { bundle, profiles, productVectors, events } = deps;
  return async (partition, batch) => {
    const byUser = Map.groupBy(batch, ({ event }) => event.userId);
    const userIds = [...byUser.keys()];
    const stored = new Map(
      (await profiles.read(userIds)).map(
        (profile, at) => [userIds[at], profile?.history ?? []] as const,
      ),
    );
    await profiles.addPopularity(
      { partition, offset: batch.at(-1)?.offset ?? 0n },
      [...byUser].flatMap(([userId, own]) => popularityOf(own, stored.get(userId) ?? [], bundle)),
    );
    // One bulk read for the whole batch, of all that a history may end with.
    const interactions = [
      ...[...stored.values()].flat(),
      ...batch.flatMap(({ event }) => interactionOf(event) ?? []),
    ];
    const vectors = await productVectors(interactions.map(({ productId }) => productId));
    const results = await profiles.update(
      [...byUser].map(([userId, own]) => ({
        userId,
        source: { partition, offset: own.at(-1)?.offset ?? 0n },
        change: async (profile) => {
          const history = historyAfter(profile.history, own);
          if (history === undefined) return undefined;
          return { history, interests: await interestsOf(history, vectors, deps) };
        },
      })),
    );
    // Counted once all is stored: an attempt that fails comes again.
    for (const { event } of batch) events.eventProcessed(event.event.case ?? "none");
    events.profilesUpdated(results);
  };
}

async function interestsOf(
  history: readonly Interaction[],
  read: Awaited<ReturnType<ProductVectors>>,
  { interests, productVectors, events }: UpdateProfilesDeps,
): Promise<Profile["interests"]> {
  // Another writer may have brought in products that were not read with the batch.
  const unread = history.filter(({ productId }) => !read.has(productId));
  const more = await productVectors(unread.map(({ productId }) => productId));
  const known = history.flatMap(({ productId, action, occurredAtMs }) => {
    const vector = read.get(productId) ?? more.get(productId);
    return vector === undefined ? [] : [{ vector, action, occurredAtMs }];
  });
  events.interactionsWithoutProduct(history.length - known.length);
  // The users of a batch ask at the same time, so that a sequence model runs them as one.
  const [found] = await interests.of([known]);
  return found ?? [];
}

/** The history after the events; undefined where the last of them is an erasure. */
function historyAfter(
  stored: readonly Interaction[],
  events: readonly PlacedEvent[],
): Interaction[] | undefined {
  const history = new Map(stored.map((interaction) => [interaction.eventId, interaction]));
  let erased = false;
  for (const { event } of events) {
    erased = event.event.case === "erased";
    if (erased) history.clear();
    const interaction = interactionOf(event);
    if (interaction !== undefined && !history.has(interaction.eventId))
      history.set(interaction.eventId, interaction);
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
    const interaction = interactionOf(event);
    if (interaction === undefined || seen.has(interaction.eventId)) return [];
    seen.add(interaction.eventId);
    const { productId, action, occurredAtMs } = interaction;
    return [{ offset, productId, weight: ranking.actionWeights[action] ?? 0, occurredAtMs }];
  });
}
