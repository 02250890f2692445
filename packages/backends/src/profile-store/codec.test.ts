import { describe, expect, test } from "@jest/globals";
import {
  decodeHistory,
  decodeInterests,
  decodeProfile,
  encodeHistory,
  encodeInterests,
  encodeProfile,
} from "./codec.js";
import type { Interaction } from "@marquetry/contracts/interactions";

const HISTORY: Interaction[] = [
  { eventId: "e1", productId: "p1", action: "view", occurredAtMs: 0 },
  { eventId: "e2", productId: "\uFEFFpæ🧥", action: "return", occurredAtMs: 127 },
  { eventId: "e3", productId: "p1", action: "dismiss", occurredAtMs: 127 },
  { eventId: "e4", productId: "p3", action: "purchase", occurredAtMs: Number.MAX_SAFE_INTEGER },
];
const INTERESTS = [Float32Array.of(0.1, -0, 1e-45), Float32Array.of(-3.4028234e38, 1, 0.3)];

describe("profile codec", () => {
  test("a profile is read back bit for bit", () => {
    const decoded = decodeProfile(encodeProfile({ history: HISTORY, interests: INTERESTS }));
    expect(decoded.history).toEqual(HISTORY);
    expect(decoded.interests.map(bits)).toEqual(INTERESTS.map(bits));
  });

  test("the bytes are those of the format as documented", () => {
    const history = encodeHistory([
      { eventId: "e", productId: "pq", action: "click", occurredAtMs: 300 },
    ]);
    // Version, count, action, varint 300, "e", "pq"; the CRC as computed by Python's zlib.crc32.
    expect(hex(history.subarray(0, -4))).toBe("010101ac020165027071");
    expect(hex(history.subarray(-4))).toBe("37cd7b20");
    const interests = encodeInterests([Float32Array.of(1, -2)]);
    expect(hex(interests.subarray(0, -4))).toBe("0101020000803f000000c0");
    expect(hex(interests.subarray(-4))).toBe("abd498cd");
  });

  test("a hundred interactions of 36-character ids take under 8 kB", () => {
    const history = Array.from({ length: 100 }, (_, i): Interaction => {
      const id = String(i).padStart(36, "0");
      return { eventId: id, productId: id, action: "view", occurredAtMs: 1.8e12 + i * 60_000 };
    });
    expect(encodeHistory(history).byteLength).toBeLessThan(8_000);
  });

  test.each([
    ["history", encodeHistory(HISTORY), decodeHistory],
    ["interests", encodeInterests(INTERESTS), decodeInterests],
  ] as const)("of the %s any flipped bit, missing or added byte is refused", (_, bytes, decode) => {
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decode(damaged)).toThrow(expect.objectContaining({ code: "corrupt" }));
    }
    for (let length = 0; length < bytes.byteLength; length += 1) {
      const cut = () => decode(bytes.subarray(0, length));
      expect(cut).toThrow(expect.objectContaining({ code: "corrupt" }));
    }
    const longer = () => decode(Uint8Array.of(...bytes, 0));
    expect(longer).toThrow(expect.objectContaining({ code: "corrupt" }));
  });

  test("one record is never read as the other", () => {
    const code = expect.objectContaining({ code: "corrupt" });
    expect(() => decodeInterests(encodeHistory(HISTORY))).toThrow(code);
    expect(() => decodeHistory(encodeInterests(INTERESTS))).toThrow(code);
  });

  test("bytes at any offset of a larger buffer are read", () => {
    const bytes = encodeInterests(INTERESTS);
    const larger = new Uint8Array(bytes.byteLength + 3);
    larger.set(bytes, 3);
    expect(decodeInterests(larger.subarray(3)).map(bits)).toEqual(INTERESTS.map(bits));
  });
});

function bits(vector: Float32Array): number[] {
  return Array.from(new Uint32Array(vector.buffer, vector.byteOffset, vector.length));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
