/** Training of a fusion model. */
import type { AlignmentSettings } from "./alignment-loss.js";
import { runEpochs, startState } from "./epochs.js";
import type { TrainedEpoch, TrainingState } from "./epochs.js";
import { epochBatches } from "./examples.js";
import type { ExampleOptions } from "./examples.js";
import type { LossSettings } from "./in-batch-loss.js";
import { forwardItems, fullPresence } from "./item-tower.js";
import { isWeight, nameOf, startParameters } from "./parameters.js";
import type { Parameters, TowerShape } from "./parameters.js";
import { dropModalities, lossAndGradients } from "./step.js";
import { targetShares } from "./target-shares.js";

export interface TrainSettings {
  readonly examples: ExampleOptions;
  readonly epochs: number;
  readonly temperature: number;
  /** Step sizes of the table, gates and scorer; of projections and towers; of the recency. */
  readonly rate: number;
  readonly projectionRate: number;
  readonly recencyRate: number;
  /** By modality, the probability that a product lacks it in a step. Default: 0. */
  readonly dropout: Readonly<Record<string, number>>;
  /** Beside the in-batch softmax. Default: none. */
  readonly alignment?: AlignmentSettings;
  /** Whether gates and scorer stay where they begin: every present modality counts the same. */
  readonly fixedWeights?: boolean;
  readonly tableScale: number;
  /** An interaction's weight per newer one at the start, in (0, 1]. */
  readonly decay: number;
  readonly seed: number;
}

interface EpochReport extends TrainedEpoch {
  /** An interaction's weight per newer one. */
  readonly decay: number;
}

interface TrainingStart {
  /** By user, place by place as `train`. Default: none are known. */
  readonly actions?: readonly Int32Array[] | undefined;
  /** Where to resume, with the same shape, data and settings: the remaining epochs are then the
   * same to the bit. Default: a new start. */
  readonly state?: TrainingState | undefined;
}

/**
 * Trains epoch by epoch.
 * @param train by user
 * @returns after each epoch, the vectors with every modality present
 */
export function* trainEpochs(
  shape: TowerShape,
  train: readonly Int32Array[],
  settings: TrainSettings,
  { actions, state = startOf(shape, settings) }: TrainingStart = {},
): Generator<EpochReport> {
  const { parameters } = state;
  const lossSettings: LossSettings & { alignment?: AlignmentSettings } = {
    temperature: settings.temperature,
    targetShares: targetShares(train, shape.items),
    ...(settings.alignment && { alignment: settings.alignment }),
  };
  const everything = fullPresence(shape);
  const epochs = runEpochs(state, {
    settings,
    rates: ratesOf(parameters, settings, actions),
    batches: (seed) => epochBatches(train, settings.examples, seed, actions),
    pass: (batch, uniform) => {
      const presence = dropModalities(everything, settings.dropout, uniform);
      return lossAndGradients(shape, parameters, presence, batch, lossSettings);
    },
  });
  for (const loss of epochs) {
    const { vectors } = forwardItems(shape, parameters, everything);
    const decay = Math.exp(parameters[nameOf.recency]![0]!);
    yield { epoch: state.epoch, loss, decay, vectors, state };
  }
}

function startOf(shape: TowerShape, { seed, tableScale, decay }: TrainSettings): TrainingState {
  return startState(startParameters(shape, { seed, tableScale, recency: Math.log(decay) }));
}

function ratesOf(
  parameters: Parameters,
  settings: TrainSettings,
  actions: readonly Int32Array[] = [],
): Record<string, number> {
  // Biases of equal actions cancel; what remains of their gradient is rounding.
  const known = new Set(actions.flatMap((list) => Array.from(list)));
  return Object.fromEntries(
    Object.keys(parameters).map((name) => {
      if (settings.fixedWeights === true && isWeight(name)) return [name, 0];
      if (name.endsWith(".projection") || name.endsWith(".tower"))
        return [name, settings.projectionRate];
      if (name === nameOf.interestBiases) return [name, known.size > 1 ? settings.rate : 0];
      if (name === nameOf.interestQuery || name === nameOf.interestKey)
        return [name, settings.projectionRate];
      if (name === nameOf.recency) {
        return [name, settings.examples.ordered ? settings.recencyRate : 0];
      }
      return [name, settings.rate];
    }),
  );
}
