/** Epochs of steps, of any model, from the start or resumed after any epoch. */
import { mulberry32 } from "@marquetry/model/vectors/random";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { createAdam, startAdam } from "./adam.js";
import type { AdamState } from "./adam.js";
import type { Parameters } from "./parameters.js";

/** All that the next epoch depends on, besides data and settings. Live: it changes with every step. */
export interface TrainingState {
  /** Epochs done. */
  epoch: number;
  readonly parameters: Parameters;
  readonly adam: AdamState;
}

/** Before the first step. */
export function startState(parameters: Parameters): TrainingState {
  return { epoch: 0, parameters, adam: startAdam(parameters) };
}

/** What training yields after every epoch; the consumer decides when to stop. */
export interface TrainedEpoch {
  readonly epoch: number;
  /** Mean over the epoch's steps. */
  readonly loss: number;
  /** Rows of length 1, one per product. */
  readonly vectors: Matrix;
  readonly state: TrainingState;
}

export interface Epochs<Batch> {
  readonly settings: { readonly epochs: number; readonly seed: number };
  /** Step sizes by parameter. */
  readonly rates: Readonly<Record<string, number>>;
  /** Of one epoch, in an order that the seed fixes. */
  readonly batches: (seed: number) => Iterable<Batch>;
  /** One forward and backward pass; dropout draws from `uniform`. */
  readonly pass: (
    batch: Batch,
    uniform: () => number,
  ) => { readonly loss: number; readonly gradients: Parameters };
}

const DROPOUT_SEED = 1_000_000_007;

/** Runs the epochs after the state's; yields the mean loss after each. */
export function* runEpochs<Batch>(
  state: TrainingState,
  { settings, rates, batches, pass }: Epochs<Batch>,
): Generator<number> {
  const step = createAdam(state.parameters, { rates, beta1: 0.9, beta2: 0.99 }, state.adam);
  while (state.epoch < settings.epochs) {
    state.epoch += 1;
    const seed = 1_000 * settings.seed + state.epoch;
    // A new generator for every epoch, so that a run can resume after any.
    const uniform = mulberry32(seed + DROPOUT_SEED);
    let sum = 0;
    let steps = 0;
    for (const batch of batches(seed)) {
      const { loss, gradients } = pass(batch, uniform);
      step(gradients);
      sum += loss;
      steps += 1;
    }
    yield sum / steps;
  }
}
