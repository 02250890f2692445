/**
 * Inference: pretrained encoders run by ONNX Runtime in worker threads, so that the event loop
 * stays free. There is one implementation and no fake; tests run small real graphs.
 */
import type { EncoderManifest } from "./manifest.js";

export type { EncoderManifest } from "./manifest.js";

/** One content's vector, or why it has none; a broken picture costs that picture only. */
export type EncodeResult =
  | { readonly vector: Float32Array }
  | { readonly failure: "undecodable" | "too-large" | "encoder"; readonly detail: string };

/** One encoder, ready to run. */
export interface Encoder {
  readonly manifest: EncoderManifest;
  /** Texts for a text encoder, file bytes for an image encoder; results in the same order.
   * Batches are formed inside. Vectors are L2-normalised where the manifest says so. */
  encode(contents: readonly (string | Uint8Array)[]): Promise<EncodeResult[]>;
  /** Contents handed to ONNX Runtime since the start. */
  encodedTotal(): number;
  close(): Promise<void>;
}
