import { describe, expect, test } from "@jest/globals";
import { createCachedVectors } from "./cached-vectors.js";
import type { Point } from "./product-index.js";

/** An index of which only vectors matter, and the products of each read. */
function index(stored: Map<string, Point["vectors"]>) {
  const reads: string[][] = [];
  const cached = createCachedVectors({
    async retrieve(productIds, names) {
      reads.push([...productIds]);
      expect(names).toEqual(["fused", "text"]);
      return new Map(
        productIds.flatMap((id): [string, Point][] => {
          const vectors = stored.get(id);
          return vectors === undefined ? [] : [[id, { vectors } as Point]];
        }),
      );
    },
    vectors: ["fused", "text"],
    productsMax: 10,
    ttlMs: 60_000,
  });
  return { cached, reads };
}

describe("cached vectors", () => {
  const fused = Float32Array.of(1, 2);

  test("what was read is not read again, what is new is read in one go", async () => {
    const { cached, reads } = index(
      new Map([
        ["a", { fused }],
        ["b", { fused }],
        ["c", { fused }],
      ]),
    );
    expect([...(await cached(["a", "b", "a"])).keys()]).toEqual(["a", "b"]);
    expect((await cached(["c", "a", "b"])).get("a")).toEqual({ fused });
    expect(reads).toEqual([["a", "b"], ["c"]]);
  });

  test("a product without vectors is missing, and is found once it has one", async () => {
    const stored = new Map<string, Point["vectors"]>([["bare", {}]]);
    const { cached } = index(stored);
    expect((await cached(["bare", "unknown"])).size).toBe(0);
    stored.set("bare", { fused });
    expect((await cached(["bare"])).get("bare")).toEqual({ fused });
  });
});
