import { crc32 } from "node:zlib";
import { ACTION_NAMES } from "@marquetry/contracts/actions";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { Interaction } from "@marquetry/contracts/interactions";
import { HISTORY_EVENTS_MAX } from "./profile-store.js";
import type { Profile } from "./profile-store.js";

/*
 * The bytes of a profile. All integers little-endian; `varint` is unsigned LEB128 up to 2^53 - 1;
 * `string` is varint byte length + UTF-8. Both records end with the CRC-32 of what precedes, so that
 * a damaged record is refused rather than read as another profile.
 *
 *   history    byte 1 (version), varint count, then per behaviour:
 *              byte action (index in ACTION_NAMES), varint ms since the one before (the first: since the
 *              epoch), string event id, string product id; uint32 CRC
 *   interests  byte 1 (version), varint count, varint dimension, float32 values; uint32 CRC
 */

/** A profile as both stores keep it. */
export interface EncodedProfile {
  readonly history: Uint8Array;
  readonly interests: Uint8Array;
}

/** Bounds that keep a profile small, whatever a caller hands over. */
// The contracts allow ids of 256 characters, 4 bytes each at most.
export const ID_BYTES_MAX = 1024;
export const INTERESTS_MAX = 64;
export const DIMENSION_MAX = 8192;

const FORMAT_VERSION = 1;
const CRC_BYTES = 4;
const VARINT_BYTES_MAX = 8;
/** Varints and the action of one behaviour, at most. */
const BEHAVIOUR_OVERHEAD_BYTES_MAX = 1 + 3 * VARINT_BYTES_MAX;

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
    throw invalid("history", `at most ${HISTORY_EVENTS_MAX} behaviours, not ${history.length}`);
  }
  let bytesMax = 1 + VARINT_BYTES_MAX + CRC_BYTES;
  for (const [i, behaviour] of history.entries()) {
    checkId(behaviour.eventId, `history[${i}].eventId`);
    checkId(behaviour.productId, `history[${i}].productId`);
    // A UTF-16 unit takes at most 3 bytes of UTF-8.
    const idUnits = behaviour.eventId.length + behaviour.productId.length;
    bytesMax += BEHAVIOUR_OVERHEAD_BYTES_MAX + 3 * idUnits;
  }

  const bytes = Buffer.allocUnsafe(bytesMax);
  let at = bytes.writeUInt8(FORMAT_VERSION, 0);
  at = writeVarint(bytes, history.length, at);
  let previousMs = 0;
  for (const [i, behaviour] of history.entries()) {
    const action = ACTION_NAMES.indexOf(behaviour.action);
    if (action < 0) throw invalid(`history[${i}].action`, "a known action");
    const elapsedMs = behaviour.occurredAtMs - previousMs;
    if (!Number.isSafeInteger(behaviour.occurredAtMs) || elapsedMs < 0) {
      throw invalid(`history[${i}].occurredAtMs`, "whole milliseconds since the epoch, ascending");
    }
    at = bytes.writeUInt8(action, at);
    at = writeVarint(bytes, elapsedMs, at);
    at = writeString(bytes, behaviour.eventId, at);
    at = writeString(bytes, behaviour.productId, at);
    previousMs = behaviour.occurredAtMs;
  }
  return sealed(bytes, at);
}

export function decodeHistory(bytes: Uint8Array): Interaction[] {
  const reader = openRecord(bytes, "history");
  const count = readVarint(reader);
  if (count > HISTORY_EVENTS_MAX) throw corrupt("history");
  const history: Interaction[] = [];
  let occurredAtMs = 0;
  for (let i = 0; i < count; i++) {
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
  for (let i = 0; i < count; i++) {
    const interest = new Float32Array(dimension);
    for (let j = 0; j < dimension; j++) {
      const value = reader.view.getFloat32(reader.at, true);
      if (!Number.isFinite(value)) throw corrupt("interests");
      interest[j] = value;
      reader.at += Float32Array.BYTES_PER_ELEMENT;
    }
    interests.push(interest);
  }
  return interests;
}

/**
 * An id that UTF-8 carries without loss (no half of a surrogate pair) and within bounds.
 * @throws MarquetryError `invalid`
 */
export function checkId(id: string, field: string): void {
  if (id.length === 0 || !id.isWellFormed() || Buffer.byteLength(id) > ID_BYTES_MAX) {
    throw invalid(field, `1 to ${ID_BYTES_MAX} bytes of well-formed text`);
  }
}

function sealed(bytes: Buffer, end: number): Uint8Array {
  const recordEnd = bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end);
  // A copy of the exact size: `bytes` is larger than its contents and may be kept for long.
  return Uint8Array.prototype.slice.call(bytes, 0, recordEnd);
}

function writeVarint(bytes: Buffer, value: number, start: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    at = bytes.writeUInt8((rest % 0x80) | 0x80, at);
    rest = Math.floor(rest / 0x80);
  }
  return bytes.writeUInt8(rest, at);
}

function writeString(bytes: Buffer, text: string, start: number): number {
  const at = writeVarint(bytes, Buffer.byteLength(text), start);
  return at + bytes.write(text, at);
}

interface Reader {
  readonly record: "history" | "interests";
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly end: number;
  at: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function openRecord(bytes: Uint8Array, record: Reader["record"]): Reader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.byteLength - CRC_BYTES;
  if (end < 1 || view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) throw corrupt(record);
  if (view.getUint8(0) !== FORMAT_VERSION) throw corrupt(record);
  return { record, bytes, view, end, at: 1 };
}

function readByte(reader: Reader): number {
  if (reader.at >= reader.end) throw corrupt(reader.record);
  return reader.view.getUint8(reader.at++);
}

function readVarint(reader: Reader): number {
  let value = 0;
  for (let i = 0; i < VARINT_BYTES_MAX; i++) {
    const byte = readByte(reader);
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      if (!Number.isSafeInteger(value)) break;
      return value;
    }
  }
  throw corrupt(reader.record);
}

function readString(reader: Reader): string {
  const length = readVarint(reader);
  const start = reader.at;
  if (length > reader.end - start) throw corrupt(reader.record);
  reader.at = start + length;
  try {
    return utf8.decode(reader.bytes.subarray(start, reader.at));
  } catch (cause) {
    throw corrupt(reader.record, cause);
  }
}

function invalid(field: string, expected: string): MarquetryError {
  return new MarquetryError("invalid", `${field}: expected ${expected}`, { field });
}

function corrupt(record: string, cause?: unknown): MarquetryError {
  return new MarquetryError("corrupt", `the stored ${record} of a user is damaged`, { cause });
}
