/** From prepared data to one vector per product. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { besideRows, normaliseRows } from "../linear-algebra/rows.js";
import { principalDirections } from "../linear-algebra/whitening.js";
import { collaborativeRows } from "../representation/collaborative.js";
import type { Prepared } from "../representation/prepare.js";
import { learnInThreads } from "./learn-in-threads.js";
import type { LearnOptions } from "./learn-options.js";
import { recipeOf, shapeOf } from "./recipe.js";
import { trainingRun } from "./training-run.js";

const COLLABORATIVE_RANK = 160;
const SVD_SEED = 1;
const SERVED_DIMS = 256;

/**
 * Fusion learned with a free table, by several seeds, beside one another; ordered data, whose content
 * is strong, also with A = [content; collaborative in closed form]. Then the widest directions of all.
 * Each member is learned in a thread, up to its epoch with the best validation NDCG.
 * @returns one row of length 1 per product
 */
export async function learnVectors(
  prepared: Prepared,
  { seed, report, checkpoints }: LearnOptions,
): Promise<Matrix> {
  const recipe = recipeOf(prepared);
  const shape = shapeOf(prepared, recipe);
  const runs = Array.from({ length: recipe.members }, (_, member) =>
    trainingRun(prepared, shape, { ...recipe.settings, seed: 100 * seed + member }, checkpoints),
  );
  const learned = await learnInThreads(runs, report);
  const members = prepared.dataset.ordered ? [closedForm(prepared), ...learned] : learned;
  const joined = besideRows(...members);
  const directions = principalDirections(joined, SERVED_DIMS);
  return normaliseRows(matmul(joined, directions, { transposeB: true }));
}

/** A: content and collaborative vectors beside one another, without training. */
export function closedForm(prepared: Prepared, rank = COLLABORATIVE_RANK): Matrix {
  const { content } = prepared;
  return normaliseRows(besideRows(...Object.values(content), closedCollaborative(prepared, rank)));
}

/** Collaborative vectors of all products in closed form. */
export function closedCollaborative({ dataset }: Prepared, rank = COLLABORATIVE_RANK): Matrix {
  return collaborativeRows(dataset.splits.train, dataset.itemIds.length, rank, SVD_SEED);
}
