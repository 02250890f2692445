/** One content in, its vector out, while somebody waits. */
import type { EmbeddingCache } from "@marquetry/backends/embedding-cache";
import type { Encoder } from "@marquetry/inference/encoder";
import { MarquetryError } from "@marquetry/runtime/errors";
import { digestOf, embeddingDigest, encoderDigest } from "./content.js";
import type { ContentModality } from "@marquetry/contracts/modalities";
import type { EncoderEvents } from "./events.js";

export type EncodeContent = (
  modality: ContentModality,
  content: string | Uint8Array,
  /** Aborts when nobody waits any more; what has not begun by then is not encoded. */
  signal: AbortSignal,
) => Promise<EncodedContent>;

export interface EncodedContent {
  readonly encoder: Encoder["manifest"];
  readonly vector: Float32Array;
}

/**
 * Encodes ahead of the products of the bus, unless the cache holds the vector: many search alike.
 * @throws MarquetryError `invalid` for a content that is not what it should be or a modality that is
 *   not encoded here, `overloaded` where too many wait already, `internal` where the encoder failed
 */
export function createEncodeContent(
  encoders: ReadonlyMap<ContentModality, Encoder>,
  cache: EmbeddingCache,
  events: EncoderEvents,
): EncodeContent {
  const digests = new Map(Array.from(encoders, ([name, each]) => [name, encoderDigest(each)]));
  return async (modality, content, signal) => {
    const encoder = encoders.get(modality);
    if (encoder === undefined) {
      const message = `this encoder takes ${[...encoders.keys()].join(", ")}`;
      throw new MarquetryError("invalid", message, { field: modality });
    }
    const key = embeddingDigest(digests.get(modality) ?? "", digestOf(content));
    const [cached] = await cache.get([key]);
    events.cacheAsked(modality, 1, cached === undefined ? 0 : 1);
    if (cached?.length === encoder.manifest.dims) {
      return { encoder: encoder.manifest, vector: cached };
    }
    const [result] = await encoder.encode([content], { urgent: true, signal });
    if (result === undefined) throw new Error("the encoder gave no result");
    if ("failure" in result) {
      const { failure, detail } = result;
      if (failure === "encoder") throw new Error(`${encoder.manifest.id}: ${detail}`);
      throw new MarquetryError("invalid", `${failure}: ${detail}`, { field: modality });
    }
    events.contentsEncoded(modality, 1);
    await cache.set(new Map([[key, result.vector]]));
    return { encoder: encoder.manifest, vector: result.vector };
  };
}
