import { MarquetryError } from "@marquetry/runtime/errors";
import { createMemoryProductIndex } from "./memory.js";
import { createQdrantProductIndex } from "./qdrant/qdrant-product-index.js";
import type { ProductIndex } from "./product-index.js";

interface ProductIndexOptions {
  readonly apiKey?: string | undefined;
  /** For each request to a server. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Opens the vector index that the URL names: `memory:` for one inside this process, or the
 * `http://` or `https://` address of a Qdrant server. Connects at the first call.
 *
 * @throws MarquetryError `invalid` for any other URL
 */
export function openProductIndex(url: string, options: ProductIndexOptions = {}): ProductIndex {
  if (url === "memory:") return createMemoryProductIndex();
  const protocol = URL.canParse(url) ? new URL(url).protocol : undefined;
  if (protocol !== "http:" && protocol !== "https:") {
    throw new MarquetryError(
      "invalid",
      "the vector index URL must be memory:, http://HOST:PORT or https://HOST:PORT",
      { field: "url" },
    );
  }
  const { apiKey, timeoutMs = 10_000 } = options;
  return createQdrantProductIndex({ url, apiKey, timeoutMs });
}
