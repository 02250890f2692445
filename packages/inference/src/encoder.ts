/**
 * The port of inference: pretrained encoders run by ONNX Runtime in worker threads, so that the
 * event loop stays free. There is one implementation and no fake; tests run small real graphs.
 */
import type { EncoderManifest } from "./manifest.js";

export type Content = string | Uint8Array;

/** One content's vector, or why it has none; a broken picture costs that picture only.
 *
 * - `undecodable`: not a JPEG, PNG, WebP, GIF, AVIF or TIFF picture, not an MP4, QuickTime, WebM,
 *   Matroska or AVI video, or a damaged one.
 * - `too-large`: a picture above 50 megapixels or 64 MiB, found before it is decoded; a video above
 *   64 MiB, 9.4 megapixels, or 10 minutes.
 * - `timeout`: a video that took more than 30 s to decode.
 * - `no-decoder`: there is no ffmpeg, without which no video is encoded. It passes once there is one.
 * - `encoder`: the graph failed on it, gave no usable vector, or two workers died over it. */
export type EncodeResult =
  | { readonly vector: Float32Array }
  | {
      readonly failure: "undecodable" | "too-large" | "timeout" | "no-decoder" | "encoder";
      readonly detail: string;
    };

export type EncodeFailure = Extract<EncodeResult, { failure: string }>;

export interface EncodeOptions {
  /** Somebody waits for the answer. */
  readonly urgent?: boolean;
  readonly signal?: AbortSignal;
}

/** One encoder, ready to run. */
export interface Encoder {
  readonly manifest: EncoderManifest;
  /**
   * Texts for a text encoder, file bytes for an encoder of images or videos; results in the same order.
   * Batches are formed inside, over concurrent calls too. A content's vector does not depend on
   * what else is encoded (to 1e-4). Vectors are L2-normalised where the manifest says so. Any
   * string is a text, the empty one included; long ones are cut.
   *
   * Urgent contents go before all others: they wait for the run that is under way, not for the
   * queue. What still waits when the signal aborts is not encoded, and the call rejects with the
   * signal's reason.
   *
   * Rejects with `invalid` (contents of the wrong kind), `overloaded` (more than `queueMax`
   * contents, or 64 urgent ones, would wait; none of this call's is queued) or `unavailable` (closed, also
   * during the call).
   */
  encode(contents: readonly Content[], options?: EncodeOptions): Promise<EncodeResult[]>;
  /** Contents run by ONNX Runtime since the start. A content counts once however often its
   * batch was tried; one that could not be decoded does not count. */
  encodedTotal(): number;
  /** Rejects what is not encoded yet and ends the workers after their running task. Idempotent. */
  close(): Promise<void>;
}

export type EncoderEvent =
  /** `batchMax` is 1 where the graph's vectors would depend on the batch. */
  | { readonly kind: "worker-ready"; readonly batchMax: number }
  | {
      readonly kind: "task-done";
      readonly contents: number;
      readonly encoded: number;
      readonly tookMs: number;
    }
  /** Its contents are encoded once more by another worker. */
  | { readonly kind: "worker-died"; readonly contents: number; readonly detail: string }
  | { readonly kind: "worker-failed-to-start"; readonly detail: string };
