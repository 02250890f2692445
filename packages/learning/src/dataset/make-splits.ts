/** Splits made by the reader, of events in order of time. */
import { mulberry32, shuffle } from "@marquetry/model/vectors/random";
import type { InteractionActions, Splits } from "./dataset.js";

/** What one user did with one product. */
export interface Interaction {
  readonly item: number;
  /** Number of the action; 0 where the table has no actions. */
  readonly action: number;
  /** In the table's own unit; the row where the table has no times. */
  readonly at: number;
}

/** Shares of train, valid and test; they sum to 1. */
type Ratios = readonly [number, number, number];

export type SplitRule =
  /**
   * A user's products as a set (a repeated one counts once), shuffled and cut by the
   * ratios. The test's history is the training part alone.
   */
  | { readonly kind: "random"; readonly ratios: Ratios; readonly seed: number }
  /** The last interaction of each user is the test, the last but one the validation; users with
   * fewer than three only train. */
  | { readonly kind: "leave-one-out" }
  /** Each user's interactions in order of time, cut by the ratios. */
  | { readonly kind: "per-user-time"; readonly ratios: Ratios }
  /** All interactions cut at two times: before the first they train, from the second on they are
   * the test. By ratios, the times are those before which that share of all interactions lies. */
  | { readonly kind: "global-time"; readonly ratios: Ratios }
  | { readonly kind: "global-time"; readonly validFrom: number; readonly testFrom: number };

interface MadeSplits {
  readonly splits: Splits;
  readonly actions: Pick<InteractionActions, "train" | "valid">;
  /** By user, the time of the first product of each part; NaN where there is none. */
  readonly evaluatedAt: Readonly<Record<"valid" | "test", Float64Array>>;
}

type Part = "train" | "valid" | "test";
type Cut = Readonly<Record<Part, readonly Interaction[]>>;

/**
 * Splits the interactions of every user into training, validation and test.
 * @param byUser oldest first
 */
export function makeSplits(
  byUser: readonly (readonly Interaction[])[],
  rule: SplitRule,
): MadeSplits {
  const cut = cutterOf(byUser, rule);
  const cuts = byUser.map((events) => cut(events));
  const part = (name: Part): Int32Array[] =>
    cuts.map((each) => Int32Array.from(each[name], ({ item }) => item));
  const actions = (name: Part): Int32Array[] =>
    cuts.map((each) => Int32Array.from(each[name], ({ action }) => action));
  const firstTimes = (name: Part): Float64Array =>
    Float64Array.from(cuts, (each) => each[name][0]?.at ?? Number.NaN);
  return {
    splits: {
      train: part("train"),
      valid: part("valid"),
      test: part("test"),
      testHistory: rule.kind === "random" ? "train" : "train-and-valid",
    },
    actions: { train: actions("train"), valid: actions("valid") },
    evaluatedAt: { valid: firstTimes("valid"), test: firstTimes("test") },
  };
}

function cutterOf(
  byUser: readonly (readonly Interaction[])[],
  rule: SplitRule,
): (events: readonly Interaction[]) => Cut {
  if (rule.kind === "leave-one-out") return lastTwo;
  if (rule.kind === "per-user-time") return (events) => cutAt(events, rule.ratios);
  if (rule.kind === "random") {
    const uniform = mulberry32(rule.seed);
    return (events) => cutAt(shuffled(firstOfEach(events), uniform), rule.ratios);
  }
  const { validFrom, testFrom } = "ratios" in rule ? cutTimes(byUser.flat(), rule.ratios) : rule;
  return (events) => ({
    train: events.filter(({ at }) => at < validFrom),
    valid: events.filter(({ at }) => at >= validFrom && at < testFrom),
    test: events.filter(({ at }) => at >= testFrom),
  });
}

/** Valid and test are rounded; the rest trains. */
function cutAt(events: readonly Interaction[], [, valid, test]: Ratios): Cut {
  const n = events.length;
  const tests = Math.min(n - 1, Math.round(test * n));
  const valids = Math.min(n - 1 - tests, Math.round(valid * n));
  return {
    train: events.slice(0, n - tests - valids),
    valid: events.slice(n - tests - valids, n - tests),
    test: events.slice(n - tests),
  };
}

function lastTwo(events: readonly Interaction[]): Cut {
  if (events.length < 3) return { train: events, valid: [], test: [] };
  return { train: events.slice(0, -2), valid: events.slice(-2, -1), test: events.slice(-1) };
}

function firstOfEach(events: readonly Interaction[]): Interaction[] {
  const first = new Map<number, Interaction>();
  for (const event of events) if (!first.has(event.item)) first.set(event.item, event);
  return [...first.values()];
}

function shuffled(events: readonly Interaction[], uniform: () => number): Interaction[] {
  const order = Array.from(events.keys());
  shuffle(order, uniform);
  return order.map((i) => events[i]!);
}

function cutTimes(events: readonly Interaction[], [train, valid]: Ratios) {
  const times = Float64Array.from(events, ({ at }) => at).toSorted();
  const timeAt = (share: number): number =>
    times[Math.min(times.length - 1, Math.round(share * times.length))]!;
  return { validFrom: timeAt(train), testFrom: timeAt(train + valid) };
}
