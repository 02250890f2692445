import { createHash } from "node:crypto";
import { expect, test } from "@jest/globals";
import { decompressLz4Frame } from "./lz4.js";

// Written by the lz4 1.9.4 command line tool.
const COMPRESSED =
  "BCJNGGRAp2gAAADxGXJlY29yZCAwOiB0aGUgcXVpY2sgYnJvd24gZm94IGp1bXBzIG92ZXIfAKNsYXp5IGRvZy4gNwAfMTcAIx8yNwAjHzM3ACMfNDcAIx81NwAjHzY3ABwPgQH/////////BlBkb2cuIAAAAAADCrLd";
const STORED =
  "BCJNGGRAp0AAAIBEIII8/ebxwmsw+Q7H3QHkiHU0og8LDQTDbtgOceD9d7B2cOuUC9UzX5c9qthhm5H/yRH1fM7UWLu/LOA3U8m9AAAAADdSyOI=";

function text(): string {
  return Array.from(
    { length: 40 },
    (_, index) => `record ${index % 7}: the quick brown fox jumps over the lazy dog. `,
  ).join("");
}

test("a frame of the reference tool reads back, matches that overlap themselves included", () => {
  expect(decompressLz4Frame(Buffer.from(COMPRESSED, "base64"), 10_000).toString()).toBe(text());
});

test("a stored block reads back", () => {
  const bytes = decompressLz4Frame(Buffer.from(STORED, "base64"), 10_000);
  expect(bytes).toHaveLength(64);
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(
    "544376623b413ad41a31f33d1ccaaf1903dc51a367724a39a1f251bddd07b063",
  );
});

test("a frame that unpacks to more than the bound is refused", () => {
  expect(() => decompressLz4Frame(Buffer.from(COMPRESSED, "base64"), 2_199)).toThrow(RangeError);
  expect(decompressLz4Frame(Buffer.from(COMPRESSED, "base64"), 2_200)).toHaveLength(2_200);
});

test("a frame cut anywhere before its end mark is refused, never read as less", () => {
  const frame = Buffer.from(COMPRESSED, "base64");
  for (let length = 0; length < frame.length - 4; length += 1) {
    expect(() => decompressLz4Frame(frame.subarray(0, length), 10_000)).toThrow();
  }
});
