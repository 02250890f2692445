/** What the sequence model and its thread send each other. */
import type { ErrorCode } from "@marquetry/runtime/errors";

export interface SequenceWorkerStart {
  /** The ONNX graph. */
  readonly graph: Uint8Array;
  /** Threads of ONNX Runtime. */
  readonly threads: number;
  readonly historyMax: number;
  readonly dims: number;
}

export type ToSequenceWorker =
  | {
      readonly kind: "run";
      readonly rows: number;
      readonly vectors: Float32Array<ArrayBuffer>;
      readonly present: Float32Array<ArrayBuffer>;
    }
  | { readonly kind: "close" };

export type FromSequenceWorker =
  | { readonly kind: "interests"; readonly interests: Float32Array }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };
