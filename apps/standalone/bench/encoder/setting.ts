/** What every part of the encoder's benchmark starts with. */
import { join } from "node:path";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import { openEncoder } from "@marquetry/inference/open-encoder";
import type { Encoder } from "@marquetry/inference/encoder";
import { DEFAULT_ENCODERS } from "@marquetry/model/bundle/zero-shot";
import { createLogger } from "@marquetry/runtime/logger";
import type { Report } from "../report/metrics.js";

export interface EncoderBench {
  /** Folder of the public data. */
  readonly data: string;
  /** Folder of the encoders. */
  readonly models: string;
  /** Worker threads per encoder, and threads of the bare loop. */
  readonly workers: number;
  readonly quick: boolean;
  /** Encodes over which memory is watched. */
  readonly encodes: number;
  readonly progress: (line: string) => void;
  readonly report: Report;
}

export type Modality = "text" | "image";

export function defaultEncoderDirectory({ models }: EncoderBench, modality: Modality): string {
  return join(models, DEFAULT_ENCODERS[modality].encoder);
}

export function openDefaultEncoder(bench: EncoderBench, modality: Modality): Promise<Encoder> {
  const directory = defaultEncoderDirectory(bench, modality);
  return openEncoder({ directory, workers: bench.workers });
}

export function openMemoryBus(): EventBus {
  return openEventBus("memory:", {
    clientId: "marquetry-bench",
    logger: createLogger("bench", "warn"),
  });
}
