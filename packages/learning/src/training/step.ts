/** One step of training a fusion model. */
import { matrix } from "@marquetry/model/vectors/matrix";
import { alignmentLoss } from "./alignment-loss.js";
import type { AlignmentSettings } from "./alignment-loss.js";
import type { Batch } from "./examples.js";
import { inBatchLoss } from "./in-batch-loss.js";
import type { LossSettings } from "./in-batch-loss.js";
import { backwardItems, forwardItems } from "./item-tower.js";
import type { Presence } from "./item-tower.js";
import { interestWeightsOf, nameOf, towersOf, zerosLike } from "./parameters.js";
import type { Parameters, TowerShape } from "./parameters.js";

/**
 * One forward and backward pass.
 * @returns the loss in nats, and its gradient by each parameter
 */
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

/** Removes modalities of some products; a product that would lose all of them keeps them. */
export function dropModalities(
  presence: Presence,
  chances: Readonly<Record<string, number>>,
  uniform: () => number,
): Presence {
  const names = Object.keys(presence);
  const remaining = Object.fromEntries(
    names.map((name) => {
      const chance = chances[name] ?? 0;
      const present = presence[name]!;
      return [name, chance === 0 ? present : present.map((has) => (uniform() < chance ? 0 : has))];
    }),
  );
  for (let i = 0; i < presence[names[0]!]!.length; i += 1) {
    if (names.some((name) => remaining[name]![i] === 1)) continue;
    for (const name of names) remaining[name]![i] = presence[name]![i]!;
  }
  return remaining;
}
