import type { ConsumerStatus } from "./event-bus.js";

/**
 * Where a member of a consumer group stands, and what leads from where to where:
 *
 *   joining  --joined-->                running
 *   running  --rebalancing-->           joining
 *   joining, running  --crashed-->      joining, or failed where no new attempt can succeed
 *   joining, running  --leaving-->      leaving
 *   leaving, failed   --left-->         closed
 *
 * Nothing else does: a member that is leaving, has failed or is closed never runs again.
 */
export type Membership =
  | (Member & { readonly state: "joining" })
  | (Member & { readonly state: "running" })
  /** Batches that run may end and are committed; no further one starts. */
  | {
      readonly state: "leaving";
      readonly generation: number;
      readonly from: "joining" | "running";
      readonly error: string | undefined;
    }
  /** A new attempt would fail too. */
  | { readonly state: "failed"; readonly error: string }
  | { readonly state: "closed"; readonly error: string | undefined };

interface Member {
  /** Counts the joins. Partitions belong to one generation: a batch of an earlier one commits nothing. */
  readonly generation: number;
  /** Why the group no longer counts on the member, until it joins again. */
  readonly eviction: unknown;
  /** Why the member is out of its group, or cannot reach it. */
  readonly error: string | undefined;
}

export type MembershipEvent =
  /** The group has dealt out its partitions anew. */
  | { readonly kind: "joined" }
  /** The group is about to deal them out. */
  | { readonly kind: "rebalancing" }
  /** The group has gone on without the member. */
  | { readonly kind: "evicted"; readonly cause: unknown }
  | { readonly kind: "disconnected"; readonly error: string }
  | { readonly kind: "fetched" }
  | { readonly kind: "crashed"; readonly error: string; readonly fatal: boolean }
  | { readonly kind: "leaving" }
  | { readonly kind: "left" };

export const NEW_MEMBER: Membership = {
  state: "joining",
  generation: 0,
  eviction: undefined,
  error: undefined,
};

/** The one place where a member goes from one state to another. */
export function transition(from: Membership, event: MembershipEvent): Membership {
  if (from.state === "joining" || from.state === "running") return whileOpen(from, event);
  if (from.state === "closed" || event.kind !== "left") return from;
  return { state: "closed", error: from.error };
}

function whileOpen(
  from: Extract<Membership, { readonly state: "joining" | "running" }>,
  event: MembershipEvent,
): Membership {
  const { generation, error } = from;
  switch (event.kind) {
    case "joined":
      return { state: "running", generation: generation + 1, eviction: undefined, error };
    case "rebalancing":
      return { ...from, state: "joining" };
    case "evicted":
      return { ...from, eviction: event.cause };
    case "disconnected":
      return { ...from, error: event.error };
    case "fetched":
      return { ...from, error: undefined };
    case "crashed":
      if (event.fatal) return { state: "failed", error: event.error };
      return { state: "joining", generation, eviction: undefined, error: event.error };
    case "leaving":
      return { state: "leaving", generation, from: from.state, error };
    case "left":
      break; // nobody has left who was not leaving
  }
  return from;
}

/** The generation whose batches may be committed. */
export function generationOf(membership: Membership): number | undefined {
  return "generation" in membership ? membership.generation : undefined;
}

/** Why a running batch cannot be committed, where the group has gone on without the member. */
export function evictionOf(membership: Membership): unknown {
  return "eviction" in membership ? membership.eviction : undefined;
}

/** Whether a further batch of the current generation may start. */
export function mayStartBatch(membership: Membership): boolean {
  return "eviction" in membership && membership.eviction === undefined;
}

/** @param retriedError why a batch is being handled again */
export function statusOf(membership: Membership, retriedError: string | undefined): ConsumerStatus {
  const state = membership.state === "leaving" ? membership.from : membership.state;
  const error = retriedError ?? membership.error;
  if (error === undefined) return { state };
  return { state: state === "running" ? "retrying" : state, error };
}
