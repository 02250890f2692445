/** What the pool and its workers send each other. */
import type { ErrorCode } from "@marquetry/runtime/errors";
import type { Content, EncodeResult } from "../encoder.js";
import type { EncoderFolder } from "../manifest.js";

export interface ModelOptions {
  /** ONNX Runtime threads. */
  readonly threads: number;
  readonly batchMax: number;
  /** Name or path of the program that decodes videos. */
  readonly ffmpeg: string;
}

export interface WorkerStart {
  readonly folder: EncoderFolder;
  readonly options: ModelOptions;
}

export type ToWorker =
  | {
      readonly kind: "encode";
      /** Names the task in its answer; several may be at work. */
      readonly task: number;
      readonly contents: readonly Content[];
      readonly urgent: boolean;
    }
  | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "ready"; readonly rowsMax: number }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly message: string }
  | {
      readonly kind: "encoded";
      readonly task: number;
      readonly results: readonly EncodeResult[];
      /** Contents that got as far as ONNX Runtime. */
      readonly encoded: number;
    };
