/** What a clickstream event says about a product. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { ClickstreamEvent } from "../gen/marquetry/events/v1/clickstream_pb.js";
import { actionName } from "./actions.js";
import type { ActionName } from "./actions.js";

/** One thing that a user did with a product. */
export interface Interaction {
  readonly eventId: string;
  readonly productId: string;
  readonly action: ActionName;
  /** Whole milliseconds since the epoch, 0 or more. */
  readonly occurredAtMs: number;
}

/** Undefined for an event that is no interaction. The event must be valid. */
export function interactionOf(clickstreamEvent: ClickstreamEvent): Interaction | undefined {
  const { eventId, event, occurredAt } = clickstreamEvent;
  if (event.case !== "interaction") return undefined;
  const { productId } = event.value;
  const action = actionName(event.value.action);
  if (action === undefined) return undefined;
  return { eventId, productId, action, occurredAtMs: timestampMs(occurredAt as Timestamp) };
}

type Placed = Pick<Interaction, "eventId" | "occurredAtMs">;

/** The order of a history, in which every event id stands once. */
export function byTimeThenId(a: Placed, b: Placed): number {
  return a.occurredAtMs - b.occurredAtMs || (a.eventId < b.eventId ? -1 : 1);
}
