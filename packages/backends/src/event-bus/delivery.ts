import { setTimeout as sleep } from "node:timers/promises";
import { describeError, MarquetryError } from "@marquetry/runtime/errors";
import { DEAD_LETTER_HEADERS } from "./event-bus.js";
import type { ConsumedRecord, ConsumeOptions, Rejection } from "./event-bus.js";

/** A cause is one line for an operator; what is longer is cut, so that a dead letter stays bounded. */
const CAUSE_CHARACTERS_MAX = 1_000;
/** What a handler may still take after its signal was aborted. */
const ABORTED_HANDLER_MS_MAX = 2_000;

export const BATCH_RECORDS_MAX = 256;
/** Whoever waits for a record's time looks again after this at the latest. */
const HOLD_MS_MAX = 60_000;
export const DRAIN_MS = 10_000;

export interface DeadLetter {
  readonly record: ConsumedRecord;
  /** Those of `DEAD_LETTER_HEADERS`; the record's own come from whoever writes the letter. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What an implementation of the bus lends to the delivery of one batch. */
export interface Delivery {
  readonly options: ConsumeOptions;
  /** Resolves when the letters are durable. May be called again with the same ones. */
  readonly writeDeadLetters: (letters: readonly DeadLetter[]) => Promise<void>;
  /** Commits: every record up to and with this one is settled. What it throws, `deliver` throws. */
  readonly settled: (last: ConsumedRecord) => Promise<void>;
  /** Tells the status: the error being retried, or `undefined` when it is over. */
  readonly report: (error: string | undefined) => void;
  /** Aborted when the partition is revoked: a running call ends, no further one starts. */
  readonly stop: AbortSignal;
  /** Handed to the handler; aborted when the time to drain is over. */
  readonly signal: AbortSignal;
}

/**
 * Delivers a batch as `EventBus` promises: retries, then each record alone, dead letters before
 * their commit.
 *
 * @returns false when `stop` came first; what was not settled comes again to the next owner
 */
export async function deliver(
  records: readonly ConsumedRecord[],
  delivery: Delivery,
): Promise<boolean> {
  try {
    const { attemptsMax = 5 } = delivery.options;
    const batch = await callHandler(records, delivery, attemptsMax, 1);
    if (batch === "stopped") return false;
    if ("rejections" in batch) return await settle(records, batch, delivery);

    for (const record of records) {
      const alone = await callHandler([record], delivery, 1, batch.attempt + 1);
      if (alone === "stopped") return false;
      const outcome =
        "rejections" in alone
          ? alone
          : { ...alone, rejections: [{ record, cause: describeError(alone.error) }] };
      if (!(await settle([record], outcome, delivery))) return false;
    }
    return true;
  } finally {
    delivery.report(undefined);
  }
}

/**
 * The records whose time has come: those before the first one that is early.
 *
 * @returns `waitMs` where not even the first may be delivered yet
 */
export function splitDue(
  records: readonly ConsumedRecord[],
  { dueAtMs }: ConsumeOptions,
): { readonly due: readonly ConsumedRecord[]; readonly waitMs: number } {
  if (dueAtMs === undefined) return { due: records, waitMs: 0 };
  const nowMs = Date.now();
  const early = records.findIndex((record) => dueAtMs(record) > nowMs);
  const first = records[0];
  if (early !== 0 || first === undefined) {
    return { due: early === -1 ? records : records.slice(0, early), waitMs: 0 };
  }
  return { due: [], waitMs: Math.min(dueAtMs(first) - nowMs, HOLD_MS_MAX) };
}

interface Handled {
  readonly rejections: readonly Rejection[];
  readonly attempt: number;
}

interface Failed {
  readonly error: unknown;
  readonly attempt: number;
}

/** Calls the handler until it resolves, fails `failuresMax` times, or `stop` comes. */
async function callHandler(
  records: readonly ConsumedRecord[],
  delivery: Delivery,
  failuresMax: number,
  firstAttempt: number,
): Promise<Handled | Failed | "stopped"> {
  let failures = 0;
  for (let attempt = firstAttempt; !delivery.stop.aborted; attempt += 1) {
    try {
      const rejections = await delivery.options.handler(records, delivery.signal);
      return { rejections: ownRejections(records, rejections), attempt };
    } catch (error) {
      if (delivery.stop.aborted) return "stopped";
      delivery.options.onRetry?.(error, attempt);
      if (!passesByItself(error)) failures += 1;
      if (failures >= failuresMax) return { error, attempt };
      await pause(error, attempt - firstAttempt, delivery);
    }
  }
  return "stopped";
}

/** Writes the dead letters, however long it takes, then commits. */
async function settle(
  records: readonly ConsumedRecord[],
  { rejections, attempt }: Handled,
  delivery: Delivery,
): Promise<boolean> {
  const letters = rejections.map((rejection) => toDeadLetter(rejection, attempt, delivery));
  for (let failures = 0, written = letters.length === 0; !written; failures += 1) {
    try {
      await delivery.writeDeadLetters(letters);
      written = true;
    } catch (error) {
      if (delivery.stop.aborted) return false;
      delivery.options.onRetry?.(error, failures + 1);
      await pause(error, failures, delivery);
      if (delivery.stop.aborted) return false;
    }
  }
  for (const rejection of rejections) delivery.options.onDeadLetter?.(rejection);
  const last = records.at(-1);
  if (last !== undefined) await delivery.settled(last);
  return true;
}

async function pause(error: unknown, round: number, delivery: Delivery): Promise<void> {
  delivery.report(describeError(error));
  const { retryPauseMs = 100, retryPauseMsMax = 5_000 } = delivery.options;
  const ms = Math.min(retryPauseMs * 2 ** Math.min(round, 30), retryPauseMsMax);
  try {
    await sleep(ms, undefined, { signal: delivery.stop });
  } catch {
    // stopped: the caller looks
  }
}

/** Another dependency's bad moment: no number of failures makes the record a bad one. */
function passesByItself(error: unknown): boolean {
  return (
    error instanceof MarquetryError && (error.code === "unavailable" || error.code === "overloaded")
  );
}

/** Takes rejections back to the records of the batch: the handler may have handed in copies. */
function ownRejections(
  records: readonly ConsumedRecord[],
  rejections: readonly Rejection[],
): Rejection[] {
  const byOffset = new Map<bigint, Rejection>();
  for (const { record: rejected, cause } of rejections) {
    const record = records.find(({ offset }) => offset === rejected.offset);
    if (record === undefined) {
      throw new MarquetryError("internal", "a handler rejected a record that is not in its batch");
    }
    byOffset.set(record.offset, { record, cause });
  }
  return [...byOffset.values()];
}

function toDeadLetter(
  { record, cause }: Rejection,
  attempt: number,
  { options }: Delivery,
): DeadLetter {
  return {
    record,
    headers: {
      [DEAD_LETTER_HEADERS.cause]: cause.replaceAll(/\s+/g, " ").slice(0, CAUSE_CHARACTERS_MAX),
      [DEAD_LETTER_HEADERS.topic]: record.topic,
      [DEAD_LETTER_HEADERS.partition]: String(record.partition),
      [DEAD_LETTER_HEADERS.offset]: String(record.offset),
      [DEAD_LETTER_HEADERS.group]: options.group,
      [DEAD_LETTER_HEADERS.attempt]: String(attempt),
    },
  };
}

/**
 * Waits for running work: `drainMs`, then aborts it and waits a last moment.
 *
 * @returns whether the work came to an end
 */
export async function drain(
  work: Promise<unknown>,
  hard: AbortController,
  drainMs: number,
): Promise<boolean> {
  if (await endsWithin(work, drainMs)) return true;
  hard.abort(new MarquetryError("deadline", "the time to drain is over"));
  return await endsWithin(work, ABORTED_HANDLER_MS_MAX);
}

async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const ended = work.then(
    () => true,
    () => true,
  );
  const late = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  const result = await Promise.race([ended, late]);
  timer.abort();
  return result;
}
