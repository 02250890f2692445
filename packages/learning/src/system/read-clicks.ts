/** What people did, from the clickstream topic. */
import type { EventBus } from "@marquetry/backends/event-bus";
import type { ClickstreamEvent } from "@marquetry/contracts/events/clickstream_pb";
import { byTimeThenId, interactionOf } from "@marquetry/contracts/interactions";
import type { Interaction } from "@marquetry/contracts/interactions";
import { CLICKSTREAM } from "@marquetry/contracts/topics";
import { decodeBatch } from "@marquetry/contracts/validation";
import { POSITIVE_ACTIONS } from "../dataset/actions.js";
import type { PositiveAction } from "../dataset/actions.js";
import { readTopic } from "./read-topic.js";

export interface Click extends Interaction {
  readonly action: PositiveAction;
}

interface Clicks {
  /** By user, in order of time and event id; users in the order of their ids. */
  readonly byUser: ReadonlyMap<string, readonly Click[]>;
  /** Records that are no valid event. */
  readonly unusable: number;
}

/**
 * The clickstream from its start to what it held when the reading began. An event counts once by its
 * id. An erasure takes away all of its user's events before it.
 */
export async function readClicks(bus: EventBus): Promise<Clicks> {
  const users = new Map<string, Map<string, Click>>();
  let unusable = 0;
  await readTopic(bus, CLICKSTREAM.name, (records) => {
    const { accepted, rejected } = decodeBatch(CLICKSTREAM.schema, records);
    unusable += rejected.length;
    for (const { message } of accepted) addEvent(users, message);
  });
  const byUser = [...users]
    .filter(([, clicks]) => clicks.size > 0)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([userId, clicks]) => [userId, [...clicks.values()].sort(byTimeThenId)] as const);
  return { byUser: new Map(byUser), unusable };
}

function addEvent(users: Map<string, Map<string, Click>>, event: ClickstreamEvent): void {
  const { userId, eventId } = event;
  if (event.event.case === "erased") users.delete(userId);
  const interaction = interactionOf(event);
  // Dismissals and returns say nothing in favour of a product.
  const action = POSITIVE_ACTIONS.find((positive) => positive === interaction?.action);
  if (interaction === undefined || action === undefined) return;
  const clicks = users.get(userId) ?? new Map<string, Click>();
  users.set(userId, clicks);
  if (!clicks.has(eventId)) clicks.set(eventId, { ...interaction, action });
}
