import type { CheckpointPlace } from "../training/checkpoint.js";

export interface LearnOptions {
  readonly seed: number;
  /** Gets lines of progress. */
  readonly report: (line: string) => void;
  /** Default: no checkpoint is written. */
  readonly checkpoints?: CheckpointPlace | undefined;
}
