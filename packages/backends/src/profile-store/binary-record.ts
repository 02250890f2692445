import { crc32 } from "node:zlib";
import { MarquetryError } from "@marquetry/runtime/errors";

/*
 * A record of bytes: a version, values, the CRC-32 of what precedes, so that a damaged record is
 * refused rather than read as another one. All integers are little-endian; `varint` is unsigned
 * LEB128 up to 2^53 - 1; `string` is varint byte length + UTF-8.
 */

export const FORMAT_VERSION = 1;
export const CRC_BYTES = 4;
export const VARINT_BYTES_MAX = 8;

/** The record in the first `end` bytes, with its CRC behind them. */
export function sealed(bytes: Buffer, end: number): Uint8Array {
  const recordEnd = bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end);
  // A copy of the exact size: `bytes` is larger than its contents and may be held for long.
  return Uint8Array.prototype.slice.call(bytes, 0, recordEnd);
}

export function writeVarint(bytes: Buffer, value: number, start: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    at = bytes.writeUInt8((rest % 0x80) | 0x80, at);
    rest = Math.floor(rest / 0x80);
  }
  return bytes.writeUInt8(rest, at);
}

export function writeString(bytes: Buffer, text: string, start: number): number {
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

export function openRecord(bytes: Uint8Array, record: Reader["record"]): Reader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.byteLength - CRC_BYTES;
  if (end < 1 || view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) throw corrupt(record);
  if (view.getUint8(0) !== FORMAT_VERSION) throw corrupt(record);
  return { record, bytes, view, end, at: 1 };
}

export function readByte(reader: Reader): number {
  if (reader.at >= reader.end) throw corrupt(reader.record);
  const byte = reader.view.getUint8(reader.at);
  reader.at += 1;
  return byte;
}

export function readVarint(reader: Reader): number {
  let value = 0;
  for (let i = 0; i < VARINT_BYTES_MAX; i += 1) {
    const byte = readByte(reader);
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      if (!Number.isSafeInteger(value)) break;
      return value;
    }
  }
  throw corrupt(reader.record);
}

export function readString(reader: Reader): string {
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

export function corrupt(record: string, cause?: unknown): MarquetryError {
  return new MarquetryError("corrupt", `the stored ${record} of a user is damaged`, { cause });
}
