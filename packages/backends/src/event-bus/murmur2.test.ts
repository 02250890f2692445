import { expect, test } from "@jest/globals";
import { murmur2, partitionOf } from "./murmur2.js";

// Vectors of Kafka's own UtilsTest.testMurmur2.
test.each([
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
])("the hash of %s is that of Kafka's Java client", (text, hash) => {
  expect(murmur2(new TextEncoder().encode(text))).toBe(hash);
});

test("a view into a larger buffer hashes as its own bytes", () => {
  const padded = new TextEncoder().encode("..foobar..");
  expect(murmur2(padded.subarray(2, 8))).toBe(-790332482);
});

test("a negative hash still names a partition", () => {
  // -973932308 & 0x7fffffff = 1173551340
  expect(partitionOf("21", 7)).toBe(1173551340 % 7);
});

test("the empty key has a partition", () => {
  expect(partitionOf("", 12)).toBe(0x106e08d9 % 12);
});
