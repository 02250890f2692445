import { describe, expect, test } from "@jest/globals";
import { openProductIndex } from "../src/product-index/open.js";
import { describeProductIndex } from "../src/product-index/product-index.contract.js";
import { withServerAt } from "./servers.js";

describeProductIndex("product index in memory", () => openProductIndex("memory:"));

withServerAt("QDRANT_URL", "http://HOST:PORT", "product index on Qdrant", (url) =>
  describeProductIndex("product index on Qdrant", () => openProductIndex(url)),
);

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
