import { expect, test } from "@jest/globals";
import { sha256Hex } from "./digest.js";

test("the digest is that of FIPS 180-4's example", async () => {
  expect(await sha256Hex(new TextEncoder().encode("abc"))).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});
