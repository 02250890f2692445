/** One step of training a sequence model. */
import { matrix } from "@marquetry/model/vectors/matrix";
import { backwardNormalise, normalised } from "../linear-algebra/normalised.js";
import { addToRows, gatherRows } from "../linear-algebra/rows.js";
import { zerosLike } from "../training/parameters.js";
import type { Parameters } from "../training/parameters.js";
import type { SequenceBatch } from "./batches.js";
import type { SequenceShape } from "./parameters.js";
import { sequenceLoss } from "./sequence-loss.js";
import type { SequenceLossSettings } from "./sequence-loss.js";
import { backwardSequence, forwardSequence } from "./transformer.js";
import type { Dropout } from "./transformer.js";

/** Name of the products' vectors: no parameter of the block, but trained beside it. */
export const VECTORS = "vectors";

/**
 * One forward and backward pass.
 * @returns the loss in nats, and its gradient by each parameter
 */
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
