import { describe, expect, test } from "@jest/globals";
import { openProductIndex } from "../src/product-index/open.js";
import { describeProductIndex } from "../src/product-index/product-index.contract.js";

describeProductIndex("product index in memory", () => openProductIndex("memory:"));

const qdrantUrl = process.env["QDRANT_URL"];
if (qdrantUrl !== undefined) {
  describeProductIndex("product index on Qdrant", () => openProductIndex(qdrantUrl));
} else if (process.env["CI"] !== undefined) {
  test("product index on Qdrant", () => {
    throw new Error("QDRANT_URL is not set, and CI must not pass without a Qdrant");
  });
} else {
  describe.skip("product index on Qdrant: skipped, set QDRANT_URL=http://HOST:PORT to run it", () => {
    test("the contract", () => {});
  });
}

describe("openProductIndex", () => {
  test.each(["", "memory", "redis://localhost:6379", "localhost:6333"])(
    "refuses %j and says what it takes",
    (url) => {
      expect(() => openProductIndex(url)).toThrow(
        expect.objectContaining({ code: "invalid", message: expect.stringContaining("memory:") }),
      );
    },
  );
});
