import { describe, expect, test } from "@jest/globals";

import { readContainer } from "./container.js";

function box(type: string, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length);
  head.write(type, 4, "latin1");
  return Buffer.concat([head, body]);
}

/** A box of 64-bit length. */
function longBox(type: string, body: Uint8Array): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32BE(1);
  head.write(type, 4, "latin1");
  head.writeBigUInt64BE(BigInt(16 + body.length), 8);
  return Buffer.concat([head, body]);
}

function offsets(type: "stco" | "co64", ...values: readonly number[]): Buffer {
  const width = type === "stco" ? 4 : 8;
  const body = Buffer.alloc(8 + width * values.length);
  body.writeUInt32BE(values.length, 4);
  for (const [i, value] of values.entries()) {
    if (width === 4) body.writeUInt32BE(value, 8 + 4 * i);
    else body.writeBigUInt64BE(BigInt(value), 8 + 8 * i);
  }
  return box(type, body);
}

const moov = (...tables: readonly Buffer[]): Buffer =>
  box(
    "moov",
    box("mvhd", Buffer.alloc(20)),
    ...tables.map((table) =>
      box("trak", box("mdia", box("minf", box("stbl", box("stsd", Buffer.alloc(9)), table)))),
    ),
  );

const ftyp = box("ftyp", Buffer.from("isom\0\0\0\0", "latin1"));

function rewritten(bytes: Uint8Array): Buffer {
  const container = readContainer(bytes);
  if ("problem" in container) throw new Error(container.problem);
  return Buffer.concat(container.chunks);
}

/** What the chunk offsets of a rewritten file point at, three bytes each. */
function chunks(file: Buffer, type: "stco" | "co64"): string[] {
  const at = file.indexOf(type);
  return Array.from({ length: file.readUInt32BE(at + 8) }, (_, i) => {
    const entry = at + 12 + i * (type === "stco" ? 4 : 8);
    const offset = type === "stco" ? file.readUInt32BE(entry) : Number(file.readBigUInt64BE(entry));
    return file.toString("latin1", offset, offset + 3);
  });
}

describe("containers", () => {
  test("an index at the end is moved before the pictures, and still points at them", () => {
    const pictures = box("mdat", Buffer.from("onetwosix"));
    const later = longBox("mdat", Buffer.from("ten"));
    const first = ftyp.length + 8;
    const index = (ten: number) =>
      moov(offsets("stco", first, first + 3, ten), offsets("co64", first + 6, first));
    const ten = ftyp.length + pictures.length + index(0).length + 16;
    const original = Buffer.concat([ftyp, pictures, index(ten), later]);
    const file = rewritten(original);
    expect(file.length).toBe(original.length);
    expect(file.indexOf("moov")).toBeLessThan(file.indexOf("mdat"));
    expect(chunks(file, "stco")).toEqual(["one", "two", "ten"]);
    expect(chunks(file, "co64")).toEqual(["six", "one"]);
  });

  test("a file with its index in front stays as it is", () => {
    const file = Buffer.concat([ftyp, moov(offsets("stco", 3)), box("mdat", Buffer.from("x"))]);
    const container = readContainer(file);
    expect(container).toEqual({ demuxer: "mov", chunks: [file] });
  });

  test("tables that say more than they hold, or nonsense, are passed over", () => {
    const table = offsets("stco", 40);
    table.writeUInt32BE(0xffff_ffff, 12);
    const wild = offsets("co64", 1);
    wild.fill(0xff, 16);
    const short = box("stco", Buffer.alloc(3));
    const child = box("trak", Buffer.from("\x7f\xff\xff\xffmdia", "latin1"));
    const file = Buffer.concat([
      ftyp,
      box("mdat", Buffer.alloc(9)),
      moov(table, wild, short),
      child,
    ]);
    expect(rewritten(file)).toHaveLength(file.length);
  });

  test("every cut of a file is found, but for less than a box's head", () => {
    const file = Buffer.concat([
      ftyp,
      longBox("mdat", Buffer.from("pictures")),
      moov(offsets("stco", 30)),
    ]);
    expect(readContainer(file)).not.toHaveProperty("problem");
    const index = file.indexOf("moov") - 4;
    for (let length = 1; length < file.length; length += 1) {
      expect(readContainer(file.subarray(0, length))).toHaveProperty("problem");
      if (length <= index + 8) continue;
      expect(readContainer(file.subarray(0, length))).toEqual({
        problem: `cut off: ${length} of ${file.length} bytes`,
      });
    }
  });

  test("a segment of Matroska may leave its size open, and else must be whole", () => {
    const header = Buffer.from("1a45dfa3830000001853806783aabbcc", "hex");
    expect(readContainer(header)).toEqual({ demuxer: "matroska", chunks: [header] });
    expect(readContainer(header.subarray(0, -1))).toEqual({ problem: "cut off: 15 of 16 bytes" });
    const live = Buffer.from("1a45dfa3830000001853806701ffffffffffffffaabb", "hex");
    expect(readContainer(live)).toEqual({ demuxer: "matroska", chunks: [live] });
    for (const other of ["1a45dfa3", "1a45dfa300", "1a45dfa38300000018538067", "1a45dfa3ff00"]) {
      expect(readContainer(Buffer.from(other, "hex"))).toHaveProperty("problem");
    }
  });

  test("AVI must be as long as it says", () => {
    const avi = Buffer.from("RIFF\x06\0\0\0AVI xx", "latin1");
    expect(readContainer(avi)).toEqual({ demuxer: "avi", chunks: [avi] });
    expect(readContainer(avi.subarray(0, 13))).toEqual({ problem: "cut off: 13 of 14 bytes" });
  });

  test("playlists, pictures and sound are no containers", () => {
    for (const text of [
      "#EXTM3U\nx",
      "ffconcat version 1.0",
      "RIFF\0\0\0\0WEBP",
      "OggS",
      "<smil>",
      "x",
    ]) {
      expect(readContainer(Buffer.from(text))).toEqual({
        problem: "not an MP4, QuickTime, WebM, Matroska or AVI file",
      });
    }
    expect(readContainer(new Uint8Array(0))).toEqual({ problem: "no bytes" });
  });
});
