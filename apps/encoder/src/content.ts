/** What of a product each modality encodes. A change of anything else encodes nothing. */
import { createHash } from "node:crypto";
import type { Product } from "@marquetry/contracts/events/product_pb";

/** Title, the most special level of each category, brand and description; empty when all are. */
export function textOf(product: Product): string {
  const categories = product.categories.flatMap((path) => {
    const levels = path.split("/").map((level) => level.trim());
    return levels.findLast((level) => level !== "") ?? [];
  });
  return [product.title, [...new Set(categories)].join(", "), product.brand, product.description]
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .join(". ");
}

/** Digest of content as one encoder sees it: the key of the embedding cache. */
export function contentDigest(encoderId: string, content: string | Uint8Array): string {
  return createHash("sha256").update(encoderId).update("\0").update(content).digest("hex");
}
