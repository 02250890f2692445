/** Training of a sequence model: epochs of steps over whole sequences, all places at once. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, shuffle } from "@marquetry/model/vectors/random";
import { addToRows, gatherRows } from "../linear-algebra/rows.js";
import { runEpochs, startState } from "../training/epochs.js";
import type { TrainedEpoch, TrainingState } from "../training/epochs.js";
import { backwardNormalise, normalised } from "../linear-algebra/normalised.js";
import { zerosLike } from "../training/parameters.js";
import type { Parameters } from "../training/parameters.js";
import { targetShares } from "../training/target-shares.js";
import type { Starts } from "./attention.js";
import { nameOf, startSequence } from "./parameters.js";
import type { SequenceShape } from "./parameters.js";
import { sequenceLoss } from "./sequence-loss.js";
import type { LossRows, SequenceLossSettings } from "./sequence-loss.js";
import { backwardSequence, forwardSequence } from "./transformer.js";
import type { Dropout } from "./transformer.js";

export interface SequenceTrainSettings {
  readonly epochs: number;
  /** Places per step, at least: a step takes whole sequences. */
  readonly batchRows: number;
  readonly temperature: number;
  readonly ownHistory: SequenceLossSettings["ownHistory"];
  readonly rate: number;
  /** Step size of the products' vectors; 0 leaves them as they are. */
  readonly vectorRate: number;
  readonly dropout: number;
  readonly seed: number;
}

/** One step's sequences. */
export interface SequenceBatch extends LossRows {
  /** Products at the places that are seen, sequence by sequence. */
  readonly items: Int32Array;
  readonly starts: Starts;
}

/** Not a parameter of the block, but trained beside it. */
export const VECTORS = "vectors";

/**
 * The reports' parameters are those of the block and, as `VECTORS`, the products' before normalising.
 * @param state where to go on, of the same shape, data and settings: the epochs that are left are then
 *   the same to the bit; a new start unless given
 */
export function* trainSequence(
  shape: SequenceShape,
  vectors: Matrix,
  train: readonly Int32Array[],
  settings: SequenceTrainSettings,
  state: TrainingState = startOf(shape, vectors, settings),
): Generator<TrainedEpoch> {
  const { parameters } = state;
  const { rate, vectorRate } = settings;
  const rateOf = (name: string): number =>
    name === VECTORS ? vectorRate : name === nameOf.gain ? 0 : rate;
  const lossSettings = { ...settings, targetShares: targetShares(train, vectors.rows) };
  const epochs = runEpochs(state, {
    settings,
    rates: Object.fromEntries(Object.keys(parameters).map((name) => [name, rateOf(name)])),
    batches: (seed) => sequenceBatches(train, settings.batchRows, seed),
    pass: (batch, uniform) => {
      const dropout = { chance: settings.dropout, uniform };
      return sequenceStep(shape, parameters, batch, lossSettings, dropout);
    },
  });
  for (const loss of epochs) {
    const trained = matrix(vectors.rows, vectors.cols, parameters[VECTORS]);
    yield { epoch: state.epoch, loss, vectors: normalised(trained).rows, state };
  }
}

function startOf(
  shape: SequenceShape,
  vectors: Matrix,
  { seed }: SequenceTrainSettings,
): TrainingState {
  return startState({ ...startSequence(shape, seed), [VECTORS]: vectors.data.slice() });
}

/** One forward and backward pass. */
export function sequenceStep(
  shape: SequenceShape,
  parameters: Parameters,
  batch: SequenceBatch,
  settings: SequenceLossSettings,
  dropout: Dropout,
): { readonly loss: number; readonly gradients: Parameters } {
  const table = parameters[VECTORS]!;
  const items = normalised(matrix(table.length / shape.dims, shape.dims, table));
  const x = gatherRows(items.rows, batch.items);
  const forward = forwardSequence(shape, parameters, x, batch.starts, dropout);
  const result = sequenceLoss(forward.interests, items.rows, batch, settings);
  const gradients = zerosLike(parameters);
  const byX = backwardSequence(shape, parameters, forward, result.byInterests, gradients);
  const byVectors = matrix(items.rows.rows, shape.dims);
  addToRows(byVectors, batch.items, byX);
  addToRows(byVectors, result.candidates, result.byCandidates);
  gradients[VECTORS]!.set(backwardNormalise(byVectors, items).data);
  return { loss: result.loss, gradients };
}

/** All sequences with a target, in a random order that the seed fixes, every place but the last. */
export function* sequenceBatches(
  train: readonly Int32Array[],
  batchRows: number,
  seed: number,
): Generator<SequenceBatch> {
  const users = Array.from(train.keys()).filter((user) => train[user]!.length > 1);
  shuffle(users, mulberry32(seed));
  let taken: Int32Array[] = [];
  let rows = 0;
  for (const [i, user] of users.entries()) {
    taken.push(train[user]!);
    rows += train[user]!.length - 1;
    if (rows < batchRows && i + 1 < users.length) continue;
    yield batchOf(taken);
    taken = [];
    rows = 0;
  }
}

export function batchOf(sequences: readonly Int32Array[]): SequenceBatch {
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
