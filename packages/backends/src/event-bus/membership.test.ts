import { describe, expect, test } from "@jest/globals";
import {
  evictionOf,
  generationOf,
  mayStartBatch,
  NEW_MEMBER,
  statusOf,
  transition,
} from "./membership.js";
import type { Membership, MembershipEvent } from "./membership.js";

const joined: MembershipEvent = { kind: "joined" };
const rebalancing: MembershipEvent = { kind: "rebalancing" };
const fetched: MembershipEvent = { kind: "fetched" };
const leaving: MembershipEvent = { kind: "leaving" };
const left: MembershipEvent = { kind: "left" };
const evicted: MembershipEvent = { kind: "evicted", cause: "a new generation" };
const disconnected: MembershipEvent = { kind: "disconnected", error: "connection timeout" };
const crashed: MembershipEvent = { kind: "crashed", error: "away", fatal: false };
const refused: MembershipEvent = { kind: "crashed", error: "refused", fatal: true };
const ALL = [joined, rebalancing, fetched, leaving, left, evicted, disconnected, crashed, refused];

function after(...events: readonly MembershipEvent[]): Membership {
  return events.reduce(transition, NEW_MEMBER);
}

describe("which events lead from which state to which", () => {
  test.each([
    { from: after(), event: joined, to: "running" },
    { from: after(), event: evicted, to: "joining" },
    { from: after(), event: crashed, to: "joining" },
    { from: after(), event: refused, to: "failed" },
    { from: after(), event: leaving, to: "leaving" },
    { from: after(joined), event: joined, to: "running" },
    { from: after(joined), event: rebalancing, to: "joining" },
    { from: after(joined), event: evicted, to: "running" },
    { from: after(joined), event: disconnected, to: "running" },
    { from: after(joined), event: fetched, to: "running" },
    { from: after(joined), event: crashed, to: "joining" },
    { from: after(joined), event: refused, to: "failed" },
    { from: after(joined), event: leaving, to: "leaving" },
    { from: after(leaving), event: left, to: "closed" },
    { from: after(refused), event: left, to: "closed" },
  ])("a member that is $from.state and then $event.kind is $to", ({ from, event, to }) => {
    expect(transition(from, event).state).toBe(to);
  });
});

describe("what is impossible", () => {
  test.each([
    { name: "a member that is leaving", from: [joined, leaving], to: "leaving" },
    { name: "a member that has failed", from: [joined, refused], to: "failed" },
    { name: "a closed member", from: [joined, leaving, left], to: "closed" },
  ])("$name does nothing else, whatever happens, until it has left", ({ from, to }) => {
    for (const event of ALL.filter(({ kind }) => kind !== "left")) {
      expect(after(...from, event)).toEqual(after(...from));
      expect(after(...from, event).state).toBe(to);
    }
  });

  test("a closed member stays closed", () => {
    expect(after(joined, leaving, left, left)).toEqual(after(joined, leaving, left));
  });

  test("nobody has left who was not leaving", () => {
    expect(after(left)).toEqual(after());
    expect(after(joined, left)).toEqual(after(joined));
  });
});

describe("batches", () => {
  test("each join begins a generation, so that a batch of an earlier one commits nothing", () => {
    expect([after(), after(joined), after(joined, joined)].map(generationOf)).toEqual([0, 1, 2]);
  });

  test("between two joins the generation stays, so that what is running may be committed", () => {
    for (const event of [rebalancing, evicted, disconnected, fetched, crashed, leaving]) {
      expect(generationOf(after(joined, event))).toBe(1);
    }
  });

  test("a member that has left or failed commits nothing", () => {
    expect(generationOf(after(joined, leaving, left))).toBeUndefined();
    expect(generationOf(after(joined, refused))).toBeUndefined();
  });

  test("an evicted member starts no batch and says why, until it has joined again", () => {
    expect(mayStartBatch(after(joined, evicted))).toBe(false);
    expect(evictionOf(after(joined, evicted, rebalancing))).toBe("a new generation");
    expect(mayStartBatch(after(joined, evicted, rebalancing, joined))).toBe(true);
    expect(evictionOf(after(joined, evicted, joined))).toBeUndefined();
  });

  test.each([leaving, refused])("after $kind no batch starts", (event) => {
    expect(mayStartBatch(after(joined))).toBe(true);
    expect(mayStartBatch(after(joined, event))).toBe(false);
  });
});

describe("what the operator sees", () => {
  test("a member that runs without an error is running", () => {
    expect(statusOf(after(joined), undefined)).toEqual({ state: "running" });
  });

  test("the error of a batch that is handled again, before that of the connection", () => {
    const state = "retrying";
    expect(statusOf(after(joined, disconnected), "full")).toEqual({ state, error: "full" });
    expect(statusOf(after(joined, disconnected), undefined)).toEqual({
      state,
      error: "connection timeout",
    });
  });

  test("the error of a connection is over with the next fetch, not with a join", () => {
    expect(statusOf(after(crashed, joined), undefined).error).toBe("away");
    expect(statusOf(after(crashed, joined, fetched), undefined)).toEqual({ state: "running" });
  });

  test("a member that is out of its group is joining and says why", () => {
    expect(statusOf(after(joined, crashed), undefined)).toEqual({
      state: "joining",
      error: "away",
    });
  });

  test("a member that leaves shows what it was, until it is closed", () => {
    expect(statusOf(after(joined, leaving), undefined)).toEqual({ state: "running" });
    expect(statusOf(after(leaving), undefined)).toEqual({ state: "joining" });
    expect(statusOf(after(joined, leaving, left), undefined)).toEqual({ state: "closed" });
  });

  test("a failed member says what it failed of", () => {
    expect(statusOf(after(refused), undefined)).toEqual({ state: "failed", error: "refused" });
  });
});
