/** Steps over whole sequences. */
import { mulberry32, shuffle } from "@marquetry/model/vectors/random";
import type { Starts } from "./attention.js";
import type { LossRows } from "./sequence-loss.js";

/** One step's sequences. */
export interface SequenceBatch extends LossRows {
  /** Products at the places that are seen, sequence by sequence. */
  readonly items: Int32Array;
  readonly starts: Starts;
}

/** All sequences with a target, in a random order that the seed fixes, every place but the last. */
export function* sequenceBatches(
  train: readonly Int32Array[],
  batchRows: number,
  seed: number,
): Generator<SequenceBatch> {
  const users = Array.from(train.keys()).filter((user) => train[user]!.length > 1);
  shuffle(users, mulberry32(seed));
  let sequences: Int32Array[] = [];
  let rows = 0;
  for (const [i, user] of users.entries()) {
    sequences.push(train[user]!);
    rows += train[user]!.length - 1;
    if (rows < batchRows && i + 1 < users.length) continue;
    yield batchOf(sequences);
    sequences = [];
    rows = 0;
  }
}

/** Every place of the sequences but the last, with the product after it as its target. */
function batchOf(sequences: readonly Int32Array[]): SequenceBatch {
  const starts = [0];
  for (const sequence of sequences) starts.push(starts.at(-1)! + sequence.length - 1);
  return {
    items: Int32Array.from(sequences.flatMap((sequence) => [...sequence.subarray(0, -1)])),
    starts: Int32Array.from(starts),
    targets: Int32Array.from(sequences.flatMap((sequence) => [...sequence.subarray(1)])),
    before: sequences.flatMap((sequence) =>
      Array.from({ length: sequence.length - 1 }, (_, t) => sequence.subarray(0, t + 1)),
    ),
  };
}
