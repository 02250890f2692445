/**
 * Which container a video's bytes are, by the bytes alone, and whether it is whole. Only containers
 * that hold their own pictures are known: no playlist, subtitle or project file, which name others.
 */

export type Container =
  | {
      /** Name of ffmpeg's demuxer, which is pinned, so that it never guesses. */
      readonly demuxer: "mov" | "matroska" | "avi";
      /** The file in an order that can be read without going back; views of the input. */
      readonly chunks: readonly Uint8Array[];
    }
  | { readonly problem: string };

/** Fragmented files have two boxes a second or so. */
const BOXES_MAX = 100_000;

export function readContainer(bytes: Uint8Array): Container {
  if (bytes.length === 0) return { problem: "no bytes" };
  if (latin1(bytes, 0, 4) === "RIFF" && latin1(bytes, 8, 12) === "AVI ") return readAvi(bytes);
  if (startsWith(bytes, 0, EBML_ID)) return readMatroska(bytes);
  if (MOV_STARTS.has(latin1(bytes, 4, 8))) return readMov(bytes);
  return { problem: "not an MP4, QuickTime, WebM, Matroska or AVI file" };
}

function readAvi(bytes: Uint8Array): Container {
  const stated = view(bytes).getUint32(4, true) + 8;
  if (stated > bytes.length) return truncated(bytes.length, stated);
  return { demuxer: "avi", chunks: [bytes] };
}

const EBML_ID = [0x1a, 0x45, 0xdf, 0xa3];
const SEGMENT_ID = [0x18, 0x53, 0x80, 0x67];

/** An EBML header, then the segment with everything; live recordings leave its size open. */
function readMatroska(bytes: Uint8Array): Container {
  const header = vint(bytes, 4);
  const at = header === undefined ? bytes.length : header.end + (header.value ?? bytes.length);
  const segment = startsWith(bytes, at, SEGMENT_ID) ? vint(bytes, at + 4) : undefined;
  if (segment === undefined) return { problem: "a Matroska header without a segment" };
  const stated = segment.end + (segment.value ?? 0);
  if (stated > bytes.length) return truncated(bytes.length, stated);
  return { demuxer: "matroska", chunks: [bytes] };
}

/** A variable-length size: as many bytes as its first has leading zeros, plus one; all ones mean
 * unknown (RFC 8794, section 4). */
function vint(
  bytes: Uint8Array,
  at: number,
): { value: number | undefined; end: number } | undefined {
  const length = Math.clz32(bytes[at] ?? 0) - 23;
  if (length > 8 || at + length > bytes.length) return undefined;
  let value = bytes[at]! & ((1 << (8 - length)) - 1);
  let open = value === (1 << (8 - length)) - 1;
  for (let i = 1; i < length; i += 1) {
    value = value * 256 + bytes[at + i]!;
    open &&= bytes[at + i] === 255;
  }
  return { value: open ? undefined : value, end: at + length };
}

const MOV_STARTS = new Set(["ftyp", "moov", "mdat", "wide", "free", "skip", "pnot"]);

interface Box {
  readonly type: string;
  readonly start: number;
  /** Where the contents begin. */
  readonly body: number;
  readonly end: number;
}

/**
 * Cameras and editors write the index (`moov`) behind the pictures (`mdat`), where a pipe finds it
 * too late. It is moved before them, as `qt-faststart` does: the chunk offsets in it grow by its own
 * length where they point at what it now precedes (ISO/IEC 14496-12, section 8.7.5).
 */
function readMov(bytes: Uint8Array): Container {
  const boxes: Box[] = [];
  // Some writers leave a few zeros at the end.
  for (let at = 0; at + 8 <= bytes.length; at = boxes.at(-1)!.end) {
    const box = boxAt(bytes, at, bytes.length);
    if (typeof box === "number") return truncated(bytes.length, box);
    boxes.push(box);
    if (boxes.length > BOXES_MAX) return { problem: `more than ${BOXES_MAX} boxes` };
  }
  const index = boxes.find((box) => box.type === "moov");
  if (index === undefined) return { problem: "an MP4 file without an index (moov)" };
  const pictures = boxes.find((box) => box.type === "mdat");
  if (pictures === undefined || index.start < pictures.start) {
    return { demuxer: "mov", chunks: [bytes] };
  }
  const moved = bytes.slice(index.start, index.end);
  const tables = descend(moved, [boxAt(moved, 0, moved.length) as Box], OFFSET_TABLES);
  for (const table of tables) shiftOffsets(moved, table, pictures.start, index.start);
  const chunks = [
    bytes.subarray(0, pictures.start),
    moved,
    bytes.subarray(pictures.start, index.start),
    bytes.subarray(index.end),
  ];
  return { demuxer: "mov", chunks };
}

/** The box at a place, or the length that the file would need to hold it. */
function boxAt(bytes: Uint8Array, start: number, end: number): Box | number {
  const data = view(bytes);
  const short = data.getUint32(start);
  const type = latin1(bytes, start + 4, start + 8);
  if (short === 0) return { type, start, body: start + 8, end };
  const body = start + (short === 1 ? 16 : 8);
  if (body > end) return body;
  const length = short === 1 ? Number(data.getBigUint64(start + 8)) : short;
  const stated = Math.max(body, start + length);
  return stated > end ? stated : { type, start, body, end: stated };
}

const OFFSET_TABLES = [["trak"], ["mdia"], ["minf"], ["stbl"], ["stco", "co64"]];

/** The boxes at the end of a path of types; what is cut off or nonsense is passed over, since
 * ffmpeg reads it all again and judges it. */
function descend(bytes: Uint8Array, boxes: readonly Box[], path: readonly string[][]): Box[] {
  const [types, ...rest] = path;
  if (types === undefined) return [...boxes];
  const found: Box[] = [];
  for (const { body, end } of boxes) {
    for (let at = body; at + 8 <= end;) {
      const child = boxAt(bytes, at, end);
      if (typeof child === "number") break;
      if (types.includes(child.type)) found.push(child);
      at = child.end;
    }
  }
  return descend(bytes, found, rest);
}

/** Version and flags, the number of entries, then 32 bits (`stco`) or 64 (`co64`) each. */
function shiftOffsets(moov: Uint8Array, table: Box, from: number, to: number): void {
  const data = view(moov);
  const width = table.type === "stco" ? 4 : 8;
  const first = table.body + 8;
  if (first > table.end) return;
  const entries = Math.min(data.getUint32(table.body + 4), Math.floor((table.end - first) / width));
  for (let at = first; at < first + entries * width; at += width) {
    const offset = width === 4 ? data.getUint32(at) : Number(data.getBigUint64(at));
    if (offset < from || offset >= to) continue;
    if (width === 4) data.setUint32(at, offset + moov.length);
    else data.setBigUint64(at, BigInt(offset + moov.length));
  }
}

function truncated(length: number, stated: number): Container {
  return { problem: `cut off: ${length} of ${stated} bytes` };
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

function startsWith(bytes: Uint8Array, at: number, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[at + i] === byte);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
