import { randomBytes } from "node:crypto";
import type { ProfileStoreOptions, UpdateResult } from "../profile-store.js";
import type { StoredUser, UserStates, UserWrite } from "../update-profiles.js";
import type { Client } from "./client.js";
import { offsetField, userKey } from "./keys.js";

export function createUserStates(
  client: Client,
  { bundleId, ttlSeconds }: Required<ProfileStoreOptions>,
): UserStates {
  async function readOne(userId: string): Promise<StoredUser> {
    const fields = await client.hgetallBuffer(userKey(bundleId, userId));
    const offsets = new Map<number, bigint>();
    for (const [field, value] of Object.entries(fields)) {
      if (field.startsWith("o")) offsets.set(Number(field.slice(1)), BigInt(value.toString()));
    }
    const { v: version, h: history, i: interests } = fields;
    const profile = history && interests && { history, interests };
    return { version: version?.toString("latin1") ?? "", offsets, profile };
  }

  async function writeOne(write: UserWrite): Promise<UpdateResult | "conflict"> {
    const { source, profile } = write;
    const reply = await client.updateUser(
      userKey(bundleId, write.userId),
      offsetField(source.partition),
      source.offset.toString(),
      write.expectedVersion,
      // Random rather than counted: a key that expired and came back must not repeat a version.
      randomBytes(9).toString("base64url"),
      ttlSeconds,
      buffer(profile?.history),
      buffer(profile?.interests),
    );
    if (reply < 0) return "conflict";
    return reply === 1 ? "applied" : "already-applied";
  }

  return {
    read: (userIds) => Promise.all(userIds.map(readOne)),
    write: (writes) => Promise.all(writes.map(writeOne)),
  };
}

function buffer(bytes: Uint8Array | undefined): Buffer {
  if (bytes === undefined) return Buffer.alloc(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
