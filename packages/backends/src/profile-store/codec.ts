import { ACTION_NAMES } from "@marquetry/contracts/actions";
import type { Interaction } from "@marquetry/contracts/interactions";
import {
  corrupt,
  CRC_BYTES,
  FORMAT_VERSION,
  openRecord,
  readByte,
  readString,
  readVarint,
  sealed,
  VARINT_BYTES_MAX,
  writeString,
  writeVarint,
} from "./binary-record.js";
import { checkId, invalid } from "./checks.js";
import { HISTORY_EVENTS_MAX } from "./profile-store.js";
import type { Profile } from "./profile-store.js";

/*
 * The bytes of a profile, in two records (`binary-record.ts`):
 *
 *   history    byte 1 (version), varint count, then per interaction:
 *              byte action (index in ACTION_NAMES), varint ms since the one before (the first: since
 *              the epoch), string event id, string product id; uint32 CRC
 *   interests  byte 1 (version), varint count, varint dimension, float32 values; uint32 CRC
 */

/** A profile as both stores keep it. */
export interface EncodedProfile {
  readonly history: Uint8Array;
  readonly interests: Uint8Array;
}

/** Bounds that keep a profile small, whatever a caller hands over. */
const INTERESTS_MAX = 64;
const DIMENSION_MAX = 8192;

/** Varints and the action of one interaction, at most. */
const INTERACTION_OVERHEAD_BYTES_MAX = 1 + 3 * VARINT_BYTES_MAX;

/** @throws MarquetryError `invalid`, naming the field, for what a profile may not hold. */
export function encodeProfile(profile: Profile): EncodedProfile {
  return {
    history: encodeHistory(profile.history),
    interests: encodeInterests(profile.interests),
  };
}

/** @throws MarquetryError `corrupt` */
export function decodeProfile(encoded: EncodedProfile): Profile {
  return {
    history: decodeHistory(encoded.history),
    interests: decodeInterests(encoded.interests),
  };
}

export function encodeHistory(history: readonly Interaction[]): Uint8Array {
  if (history.length > HISTORY_EVENTS_MAX) {
    throw invalid("history", `at most ${HISTORY_EVENTS_MAX} interactions, not ${history.length}`);
  }
  let bytesMax = 1 + VARINT_BYTES_MAX + CRC_BYTES;
  for (const [i, interaction] of history.entries()) {
    checkId(interaction.eventId, `history[${i}].eventId`);
    checkId(interaction.productId, `history[${i}].productId`);
    // A UTF-16 unit takes at most 3 bytes of UTF-8.
    const idUnits = interaction.eventId.length + interaction.productId.length;
    bytesMax += INTERACTION_OVERHEAD_BYTES_MAX + 3 * idUnits;
  }

  const bytes = Buffer.allocUnsafe(bytesMax);
  let at = bytes.writeUInt8(FORMAT_VERSION, 0);
  at = writeVarint(bytes, history.length, at);
  let previousMs = 0;
  for (const [i, interaction] of history.entries()) {
    const action = ACTION_NAMES.indexOf(interaction.action);
    if (action < 0) throw invalid(`history[${i}].action`, "a known action");
    const elapsedMs = interaction.occurredAtMs - previousMs;
    if (!Number.isSafeInteger(interaction.occurredAtMs) || elapsedMs < 0) {
      throw invalid(`history[${i}].occurredAtMs`, "whole milliseconds since the epoch, ascending");
    }
    at = bytes.writeUInt8(action, at);
    at = writeVarint(bytes, elapsedMs, at);
    at = writeString(bytes, interaction.eventId, at);
    at = writeString(bytes, interaction.productId, at);
    previousMs = interaction.occurredAtMs;
  }
  return sealed(bytes, at);
}

export function decodeHistory(bytes: Uint8Array): Interaction[] {
  const reader = openRecord(bytes, "history");
  const count = readVarint(reader);
  if (count > HISTORY_EVENTS_MAX) throw corrupt("history");
  const history: Interaction[] = [];
  let occurredAtMs = 0;
  for (let i = 0; i < count; i += 1) {
    const action = ACTION_NAMES[readByte(reader)];
    if (action === undefined) throw corrupt("history");
    occurredAtMs += readVarint(reader);
    const eventId = readString(reader);
    const productId = readString(reader);
    history.push({ eventId, productId, action, occurredAtMs });
  }
  if (reader.at !== reader.end) throw corrupt("history");
  return history;
}

export function encodeInterests(interests: readonly Float32Array[]): Uint8Array {
  const dimension = interests[0]?.length ?? 0;
  if (interests.length > INTERESTS_MAX) {
    throw invalid("interests", `at most ${INTERESTS_MAX} vectors, not ${interests.length}`);
  }
  if (interests.length > 0 && (dimension === 0 || dimension > DIMENSION_MAX)) {
    throw invalid("interests", `vectors of 1 to ${DIMENSION_MAX} dimensions, not ${dimension}`);
  }
  const valueBytes = interests.length * dimension * Float32Array.BYTES_PER_ELEMENT;
  const bytes = Buffer.allocUnsafe(1 + 2 * VARINT_BYTES_MAX + valueBytes + CRC_BYTES);
  let at = bytes.writeUInt8(FORMAT_VERSION, 0);
  at = writeVarint(bytes, interests.length, at);
  at = writeVarint(bytes, dimension, at);
  for (const [i, interest] of interests.entries()) {
    if (interest.length !== dimension) {
      throw invalid(
        `interests[${i}]`,
        `${dimension} dimensions as the first, not ${interest.length}`,
      );
    }
    for (const value of interest) {
      if (!Number.isFinite(value)) throw invalid(`interests[${i}]`, `finite values, not ${value}`);
      at = bytes.writeFloatLE(value, at);
    }
  }
  return sealed(bytes, at);
}

export function decodeInterests(bytes: Uint8Array): Float32Array[] {
  const reader = openRecord(bytes, "interests");
  const count = readVarint(reader);
  const dimension = readVarint(reader);
  const valueBytes = count * dimension * Float32Array.BYTES_PER_ELEMENT;
  if (reader.end - reader.at !== valueBytes) throw corrupt("interests");
  const interests: Float32Array[] = [];
  for (let i = 0; i < count; i += 1) {
    const interest = new Float32Array(dimension);
    for (let j = 0; j < dimension; j += 1) {
      const value = reader.view.getFloat32(reader.at, true);
      if (!Number.isFinite(value)) throw corrupt("interests");
      interest[j] = value;
      reader.at += Float32Array.BYTES_PER_ELEMENT;
    }
    interests.push(interest);
  }
  return interests;
}
