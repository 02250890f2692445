import { expect, test } from "@jest/globals";
import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { createDegraded } from "./degraded.js";
import { explain } from "./explain.js";

test("an answer shows each product with its score parts, in order, and why it is not the best", () => {
  const degraded = createDegraded();
  degraded.report(DegradationReason.NO_INTEREST, true);
  const shown = (productId: string, score: number) => ({
    productId,
    title: `The ${productId}`,
    score,
    parts: { similarity: score, popularity: 0, freshness: 0, reranking: 0 },
  });
  const items = [shown("b", 2), shown("a", 1)];
  const scored = items.map((item) => ({ ...item, groupId: "group", popularity: 0.5 }));
  expect(explain({ degraded }, scored)).toEqual({
    items,
    degradationReasons: [DegradationReason.NO_INTEREST],
  });
});
