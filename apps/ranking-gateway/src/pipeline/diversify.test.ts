import { expect, test } from "@jest/globals";
import { diversify } from "./diversify.js";
import type { ScoredProduct } from "./score.js";

function products(...ids: readonly string[]): ScoredProduct[] {
  const parts = { similarity: 0, popularity: 0, freshness: 0, reranking: 0 };
  return ids.map((productId) => {
    const [groupId = ""] = productId.split("-");
    return { productId, title: "", groupId, score: 0, parts, popularity: 0 };
  });
}

const ORDER = products("shirt-red", "lamp", "shirt-blue", "bed", "lamp-2");

test("the first product of each group stays, in the same order", () => {
  const ids = diversify(ORDER, { includeVariants: false }).map(({ productId }) => productId);
  expect(ids).toEqual(["shirt-red", "lamp", "bed"]);
});

test("with variants every product stays", () => {
  expect(diversify(ORDER, { includeVariants: true })).toEqual(ORDER);
});
