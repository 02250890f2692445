import { QdrantClient } from "@qdrant/js-client-rest";

export interface QdrantOptions {
  /** `http://host:port` or `https://host:port`, with the path of a proxy if there is one. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** For each request; a call of many points makes several. */
  readonly timeoutMs: number;
}

export function createClient({ url, apiKey, timeoutMs }: QdrantOptions): QdrantClient {
  const { origin, pathname } = new URL(url);
  return new QdrantClient({
    url: origin,
    prefix: pathname.replace(/\/+$/, ""),
    timeout: timeoutMs,
    // As a header: with `apiKey` over plain http, the client writes a warning to the console.
    ...(apiKey === undefined ? {} : { headers: { "api-key": apiKey } }),
    checkCompatibility: false,
  });
}
