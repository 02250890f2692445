import { setTimeout as pause } from "node:timers/promises";
import { MarquetryError } from "@marquetry/runtime/errors";
import { checkUpdates } from "./checks.js";
import { decodeProfile, encodeProfile } from "./codec.js";
import type { EncodedProfile } from "./codec.js";
import type { Profile, ProfileUpdate, SourceOffset, UpdateResult } from "./profile-store.js";

/** Users whose old and new profiles are held in memory at once, and sent in one batch. */
const USERS_PER_BATCH = 256;

/** Of n writers of one user one wins each round, so that n - 1 rounds serve n writers. */
const ROUNDS_MAX = 64;
const PAUSE_MS_MAX = 20;

/** What a store keeps of a user. The offsets outlive the profile. */
export interface StoredUser {
  /** Changes with every write; empty where nothing is stored. */
  readonly version: string;
  readonly offsets: ReadonlyMap<number, bigint>;
  /** Undefined for a new user and for an erased one. */
  readonly profile: EncodedProfile | undefined;
}

export interface UserWrite {
  readonly userId: string;
  readonly source: SourceOffset;
  /** The write happens only where the stored version is still this one. */
  readonly expectedVersion: string;
  /** Undefined erases. */
  readonly profile: EncodedProfile | undefined;
}

/** What a store has to offer for `updateProfiles`; each write of a user is atomic. */
export interface UserStates {
  read(userIds: readonly string[]): Promise<StoredUser[]>;
  write(writes: readonly UserWrite[]): Promise<(UpdateResult | "conflict")[]>;
}

/**
 * Optimistic updates: read, compute, write where nobody wrote in between, else again on what is there
 * now. See `ProfileStore.update` for what it promises.
 */
export async function updateProfiles(
  updates: readonly ProfileUpdate[],
  states: UserStates,
): Promise<UpdateResult[]> {
  checkUpdates(updates);
  const settled: PromiseSettledResult<UpdateResult>[] = [];
  for (let start = 0; start < updates.length; start += USERS_PER_BATCH) {
    settled.push(...(await updateBatch(updates.slice(start, start + USERS_PER_BATCH), states)));
  }
  return settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

async function updateBatch(
  updates: readonly ProfileUpdate[],
  states: UserStates,
): Promise<PromiseSettledResult<UpdateResult>[]> {
  const settled = new Map<ProfileUpdate, PromiseSettledResult<UpdateResult>>();
  let open = updates;
  for (let round = 0; round < ROUNDS_MAX && open.length > 0; round += 1) {
    if (round > 0) await pause(Math.random() * Math.min(2 ** round, PAUSE_MS_MAX));
    const stored = await states.read(open.map((update) => update.userId));
    const prepared = await Promise.allSettled(open.map((update, i) => prepare(update, stored[i]!)));
    const writes: UserWrite[] = [];
    const writing: ProfileUpdate[] = [];
    for (const [i, result] of prepared.entries()) {
      if (result.status === "rejected") settled.set(open[i]!, result);
      else if (result.value === undefined) settled.set(open[i]!, fulfilled("already-applied"));
      else {
        writes.push(result.value);
        writing.push(open[i]!);
      }
    }
    const outcomes = writes.length === 0 ? [] : await states.write(writes);
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome !== "conflict") settled.set(writing[i]!, fulfilled(outcome));
    }
    open = writing.filter((update) => !settled.has(update));
  }
  return updates.map((update) => settled.get(update) ?? tooContended());
}

/** Undefined where the stored profile has the update already. */
async function prepare(update: ProfileUpdate, stored: StoredUser): Promise<UserWrite | undefined> {
  const { userId, source } = update;
  const applied = stored.offsets.get(source.partition);
  if (applied !== undefined && applied >= source.offset) return undefined;
  const before: Profile =
    stored.profile === undefined ? { history: [], interests: [] } : decodeProfile(stored.profile);
  const after = await update.change(before);
  const profile = after === undefined ? undefined : encodeProfile(after);
  return { userId, source, expectedVersion: stored.version, profile };
}

function fulfilled(value: UpdateResult): PromiseFulfilledResult<UpdateResult> {
  return { status: "fulfilled", value };
}

function tooContended(): PromiseRejectedResult {
  const reason = new MarquetryError("overloaded", "too many writers of one user at a time");
  return { status: "rejected", reason };
}
