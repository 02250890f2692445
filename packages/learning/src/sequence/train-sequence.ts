/** Training of a sequence model: epochs of steps over whole sequences, all places at once. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { normalised } from "../linear-algebra/normalised.js";
import { runEpochs, startState } from "../training/epochs.js";
import type { TrainedEpoch, TrainingState } from "../training/epochs.js";
import { targetShares } from "../training/target-shares.js";
import { sequenceBatches } from "./batches.js";
import { nameOf, startSequence } from "./parameters.js";
import type { SequenceShape } from "./parameters.js";
import type { SequenceLossSettings } from "./sequence-loss.js";
import { sequenceStep, VECTORS } from "./step.js";

export interface SequenceTrainSettings {
  readonly epochs: number;
  /** The least number of places per step: a step has whole sequences. */
  readonly batchRows: number;
  readonly temperature: number;
  readonly ownHistory: SequenceLossSettings["ownHistory"];
  readonly rate: number;
  /** Step size of the products' vectors; 0 does not change them. */
  readonly vectorRate: number;
  readonly dropout: number;
  readonly seed: number;
}

/**
 * Trains epoch by epoch. The parameters are those of the block and, as `VECTORS`, the products'
 * vectors before they are normalised.
 * @param vectors one row of length 1 per product
 * @param train by user, oldest first
 * @param state where to resume, with the same shape, data and settings: the remaining epochs are then
 *   the same to the bit. Default: a new start.
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
