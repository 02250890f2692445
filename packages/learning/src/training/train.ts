/** Training of a fusion model: what its steps are. */
import { matrix } from "@marquetry/model/vectors/matrix";
import { countItems } from "../dataset/dataset.js";
import { alignmentLoss } from "./alignment-loss.js";
import type { AlignmentSettings } from "./alignment-loss.js";
import { runEpochs, startState } from "./epochs.js";
import type { TrainedEpoch, TrainingState } from "./epochs.js";
import { epochBatches } from "./examples.js";
import type { Batch, ExampleRules } from "./examples.js";
import { inBatchLoss } from "./in-batch-loss.js";
import type { LossSettings } from "./in-batch-loss.js";
import { backwardItems, forwardItems, fullPresence } from "./item-tower.js";
import type { Presence } from "./item-tower.js";
import {
  interestWeightsOf,
  isWeight,
  nameOf,
  startParameters,
  towersOf,
  zerosLike,
} from "./parameters.js";
import type { Parameters, TowerShape } from "./parameters.js";

export interface TrainSettings {
  readonly examples: ExampleRules;
  readonly epochs: number;
  readonly temperature: number;
  /** Step sizes of the table, gates and scorer; of projections and towers; of the recency. */
  readonly rate: number;
  readonly projectionRate: number;
  readonly recencyRate: number;
  /** By modality, the chance that a product lacks it in a step; 0 unless named. */
  readonly dropout: Readonly<Record<string, number>>;
  /** Beside the in-batch softmax; none unless given. */
  readonly alignment?: AlignmentSettings;
  /** Whether gates and scorer stay where they begin: every present modality counts the same. */
  readonly fixedWeights?: boolean;
  readonly tableScale: number;
  /** Weight per newer behaviour at the start, in (0, 1]. */
  readonly decay: number;
  readonly seed: number;
}

export interface EpochReport extends TrainedEpoch {
  /** Weight per newer behaviour. */
  readonly decay: number;
}

export interface TrainingStart {
  /** By user, place by place as `train`; none are known unless given. */
  readonly actions?: readonly Int32Array[] | undefined;
  /** Where to go on, of the same shape, data and settings: the epochs that are left are then the
   * same to the bit; a new start unless given. */
  readonly state?: TrainingState | undefined;
}

/** Reports have the vectors with every modality present. */
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

/** One forward and backward pass. */
export function lossAndGradients(
  shape: TowerShape,
  parameters: Parameters,
  presence: Presence,
  batch: Batch,
  settings: LossSettings & { readonly alignment?: AlignmentSettings },
): { readonly loss: number; readonly gradients: Parameters } {
  const items = forwardItems(shape, parameters, presence);
  const interests = interestWeightsOf(shape, parameters);
  const towers = towersOf(shape, parameters);
  const result = inBatchLoss(items.vectors, interests, batch, settings, towers);
  const gradients = zerosLike(parameters);
  if (result.towerGradients !== undefined) {
    gradients[nameOf.userTower]!.set(result.towerGradients.user.data);
    gradients[nameOf.itemTower]!.set(result.towerGradients.item.data);
  }
  const { recency, content, biases } = result.interestGradients;
  gradients[nameOf.recency]![0] = recency;
  if (content !== undefined) {
    gradients[nameOf.interestQuery]!.set(content.query.data);
    gradients[nameOf.interestKey]!.set(content.key.data);
  }
  if (biases !== undefined) gradients[nameOf.interestBiases]!.set(biases);
  const { alignment } = settings;
  if (alignment === undefined || alignment.weight === 0) {
    backwardItems(shape, parameters, items, result.vectorGradient, gradients);
    return { loss: result.loss, gradients };
  }
  const byParts = items.parts.map(() => matrix(shape.items, shape.dims));
  const products = [...new Set(batch.targets)];
  const aligned = alignmentLoss(items.parts, products, alignment, byParts);
  backwardItems(shape, parameters, items, result.vectorGradient, gradients, byParts);
  return { loss: result.loss + alignment.weight * aligned, gradients };
}

function ratesOf(
  parameters: Parameters,
  settings: TrainSettings,
  actions: readonly Int32Array[] = [],
): Record<string, number> {
  // Biases of equal actions cancel; what remains of their gradient is rounding.
  const told = new Set(actions.flatMap((list) => Array.from(list)));
  return Object.fromEntries(
    Object.keys(parameters).map((name) => {
      if (settings.fixedWeights === true && isWeight(name)) return [name, 0];
      if (name.endsWith(".projection") || name.endsWith(".tower"))
        return [name, settings.projectionRate];
      if (name === nameOf.interestBiases) return [name, told.size > 1 ? settings.rate : 0];
      if (name === nameOf.interestQuery || name === nameOf.interestKey)
        return [name, settings.projectionRate];
      if (name === nameOf.recency) {
        return [name, settings.examples.ordered ? settings.recencyRate : 0];
      }
      return [name, settings.rate];
    }),
  );
}

/** How often each product is a target, as a share. */
export function targetShares(train: readonly Int32Array[], items: number): Float64Array {
  const counts = countItems(train, items);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => count / total);
}

/** Takes modalities from some products; one that would have none left keeps all it has. */
export function dropModalities(
  presence: Presence,
  chances: Readonly<Record<string, number>>,
  uniform: () => number,
): Presence {
  const names = Object.keys(presence);
  const left = Object.fromEntries(
    names.map((name) => {
      const chance = chances[name] ?? 0;
      const given = presence[name]!;
      return [name, chance === 0 ? given : given.map((has) => (uniform() < chance ? 0 : has))];
    }),
  );
  for (let i = 0; i < presence[names[0]!]!.length; i += 1) {
    if (names.some((name) => left[name]![i] === 1)) continue;
    for (const name of names) left[name]![i] = presence[name]![i]!;
  }
  return left;
}
