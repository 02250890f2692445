/** An encoder behind its cache. Whoever encodes, for the bus or for a caller, goes through it. */
import type { EmbeddingCache } from "@marquetry/backends/embedding-cache";
import type { ContentModality } from "@marquetry/contracts/modalities";
import type { Content, EncodeOptions, EncodeResult, Encoder } from "@marquetry/inference/encoder";
import { embeddingDigest, encoderDigest } from "./content.js";
import type { EncoderEvents } from "./events.js";
import { createInFlight } from "./concurrency/in-flight.js";

/** Contents go by their own digests. */
export interface CachedEncoder {
  readonly manifest: Encoder["manifest"];
  /** The digest of a content as this encoder sees it: the cache's key, and what events carry. */
  digestOf(content: string): string;
  /** The vectors that the cache holds. */
  lookUp(contents: readonly string[]): Promise<Map<string, Float32Array>>;
  /** A result for each content. What the cache holds is not encoded, and what another call is
   * encoding at this moment is waited for. */
  encode(
    contents: ReadonlyMap<string, Content>,
    options?: CachedEncodeOptions,
  ): Promise<Map<string, EncodeResult>>;
  store(vectors: ReadonlyMap<string, Float32Array>): Promise<void>;
}

export interface CachedEncodeOptions extends EncodeOptions {
  /** For the encoder, its queue included; what takes longer fails with `timeout`. Default: no
   * limit. */
  readonly timeoutMs?: number;
}

export interface CachedEncoderDeps {
  readonly cache: EmbeddingCache;
  readonly events: EncoderEvents;
}

export function createCachedEncoders(
  encoders: ReadonlyMap<ContentModality, Encoder>,
  deps: CachedEncoderDeps,
): ReadonlyMap<ContentModality, CachedEncoder> {
  return new Map(
    Array.from(encoders, ([modality, encoder]) => [modality, createCachedEncoder(encoder, deps)]),
  );
}

function createCachedEncoder(
  encoder: Encoder,
  { cache, events }: CachedEncoderDeps,
): CachedEncoder {
  const { dims, modality } = encoder.manifest;
  const identity = encoderDigest(encoder);
  // Apart, so that nobody who waits for an answer waits in the queue of the bus.
  const urgent = createInFlight<Content, EncodeResult>();
  const bulk = createInFlight<Content, EncodeResult>();

  const embeddingDigestOf = (content: string): string => embeddingDigest(identity, content);

  const cached: CachedEncoder = {
    manifest: encoder.manifest,
    digestOf: embeddingDigestOf,
    async lookUp(contents) {
      const found = new Map<string, Float32Array>();
      if (contents.length === 0) return found;
      const vectors = await cache.get(contents.map(embeddingDigestOf));
      contents.forEach((content, at) => {
        const vector = vectors[at];
        if (vector?.length === dims) found.set(content, vector);
      });
      events.cacheLookedUp(modality, contents.length, found.size);
      return found;
    },
    encode(contents, { signal, ...options } = {}) {
      const inFlight = options.urgent === true ? urgent : bulk;
      return inFlight.run(
        contents,
        (missing, aborted) => findOrEncode(missing, { ...options, signal: aborted }),
        signal,
      );
    },
    async store(vectors) {
      if (vectors.size === 0) return;
      await cache.set(
        new Map(Array.from(vectors, ([content, vector]) => [embeddingDigestOf(content), vector])),
      );
    },
  };

  async function findOrEncode(
    contents: ReadonlyMap<string, Content>,
    { timeoutMs, ...options }: CachedEncodeOptions,
  ): Promise<Map<string, EncodeResult>> {
    const results = new Map<string, EncodeResult>();
    const found = await cached.lookUp([...contents.keys()]);
    for (const [digest, vector] of found) results.set(digest, { vector });
    const missing = [...contents].filter(([digest]) => !found.has(digest));
    if (missing.length === 0) return results;
    const work = encoder.encode(
      missing.map(([, content]) => content),
      options,
    );
    const encoded = await within(work, missing.length, timeoutMs);
    const fresh = new Map<string, Float32Array>();
    missing.forEach(([digest], at) => {
      const result = encoded[at];
      if (result === undefined) throw new Error("the encoder gave fewer results than contents");
      results.set(digest, result);
      if ("vector" in result) fresh.set(digest, result.vector);
    });
    events.contentsEncoded(modality, missing.length);
    await cached.store(fresh);
    return results;
  }

  return cached;
}

/** A partition must not wait for ever for an encoder that is stuck. */
async function within(
  work: Promise<EncodeResult[]>,
  count: number,
  timeoutMs: number | undefined,
): Promise<EncodeResult[]> {
  if (timeoutMs === undefined) return work;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<EncodeResult[]>((resolve) => {
    const failure = { failure: "timeout", detail: `not encoded within ${timeoutMs} ms` } as const;
    timer = setTimeout(() => resolve(Array.from({ length: count }, () => failure)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // Whether it still ends well is nobody's concern any more.
    work.catch(() => undefined);
  }
}
