import { MarquetryError } from "@marquetry/runtime/errors";
import { createMemoryVectorIndex } from "./memory.js";
import { createQdrantVectorIndex } from "./qdrant/qdrant.js";
import type { VectorIndex } from "./product-index.js";

export interface VectorIndexOptions {
  readonly apiKey?: string | undefined;
  /** For each request to a server; 10 s unless told. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Opens the vector index that the URL names: `memory:` for one inside this process, or the
 * `http://` or `https://` address of a Qdrant server. Connects at the first call.
 *
 * @throws MarquetryError `invalid` for any other URL
 */
export function openVectorIndex(url: string, options: VectorIndexOptions = {}): VectorIndex {
  if (url === "memory:") return createMemoryVectorIndex();
  const protocol = URL.canParse(url) ? new URL(url).protocol : undefined;
  if (protocol !== "http:" && protocol !== "https:") {
    throw new MarquetryError(
      "invalid",
      "the vector index URL must be memory:, http://HOST:PORT or https://HOST:PORT",
      { field: "url" },
    );
  }
  const { apiKey, timeoutMs = 10_000 } = options;
  return createQdrantVectorIndex({ url, apiKey, timeoutMs });
}
