import { describe, expect, test } from "@jest/globals";

import { cut } from "./preprocessing.js";

describe("cut", () => {
  test("never leaves half a code point", () => {
    expect(cut("ab👟", 3)).toBe("ab");
    expect(cut("ab👟", 4)).toBe("ab👟");
    expect(cut("👟👟", 3)).toBe("👟");
  });

  test("replaces lone surrogates and leaves everything else", () => {
    expect(cut("a\ud800b", 10)).toBe("a\ufffdb");
    expect(cut("naïve 漢字", 10)).toBe("naïve 漢字");
    expect(cut("", 10)).toBe("");
  });
});
