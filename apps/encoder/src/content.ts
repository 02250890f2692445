/** What of a product each modality encodes. A change of anything else encodes nothing. */
import { createHash } from "node:crypto";
import type { Encoder } from "@marquetry/inference/encoder";
import type { Media, Product } from "@marquetry/contracts/events/product_pb";

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

/** Digest of a content by itself, in the form in which producers give one. */
export function digestOf(content: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/**
 * The digest under which a medium is known before it is read, where its producer gives one. What is
 * no SHA-256 cannot be compared with what is read, so it counts for its own URL only: whoever gives
 * a wrong one harms nobody else.
 */
export function claimedDigest({ url, digest }: Pick<Media, "url" | "digest">): string | undefined {
  if (digest === "") return undefined;
  if (isSha256(digest)) return digest.toLowerCase();
  return digestOf(`${digest.length} ${digest} ${url}`).replace("sha256:", "claimed:");
}

function isSha256(digest: string): boolean {
  return /^sha256:[0-9a-f]{64}$/i.test(digest);
}

/**
 * Names an encoder with all that its vectors depend on: weights, tokenizer and preprocessing. Its id
 * alone would not, were a manifest changed under it.
 */
export function encoderDigest({ manifest }: Encoder): string {
  return digestOf(JSON.stringify(manifest));
}

/** Digest of a content as one encoder sees it: the key of the embedding cache. */
export function embeddingDigest(encoder: string, content: string): string {
  return createHash("sha256").update(encoder).update("\0").update(content).digest("hex");
}
