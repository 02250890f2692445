/** One content in, its vector out, while somebody waits. */
import type { ContentModality } from "@marquetry/contracts/modalities";
import type { Content, Encoder } from "@marquetry/inference/encoder";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { CachedEncoder } from "./cached-encoder.js";
import { digestOf } from "./content.js";

export type EncodeContent = (
  modality: ContentModality,
  content: Content,
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
  encoders: ReadonlyMap<ContentModality, CachedEncoder>,
): EncodeContent {
  return async (modality, content, signal) => {
    const encoder = encoders.get(modality);
    if (encoder === undefined) {
      const message = `this encoder takes ${[...encoders.keys()].join(", ")}`;
      throw new MarquetryError("invalid", message, { field: modality });
    }
    const { manifest } = encoder;
    const digest = digestOf(content);
    const results = await encoder.encode(new Map([[digest, content]]), { urgent: true, signal });
    const result = results.get(digest);
    if (result === undefined) throw new Error("the encoder gave no result");
    if ("failure" in result) {
      const { failure, detail } = result;
      if (failure === "encoder") throw new Error(`${manifest.id}: ${detail}`);
      throw new MarquetryError("invalid", `${failure}: ${detail}`, { field: modality });
    }
    return { encoder: manifest, vector: result.vector };
  };
}
