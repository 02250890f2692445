/** Behaviours of a dataset as actions of the clickstream. */

import type { ActionName } from "@marquetry/contracts/actions";

/** The actions that say yes to a product, from the weakest to the strongest. */
export const POSITIVE_ACTIONS = [
  "view",
  "click",
  "favourite",
  "add-to-cart",
  "purchase",
] as const satisfies readonly ActionName[];
export type PositiveAction = (typeof POSITIVE_ACTIONS)[number];

/** How a behaviour is told to the model whose type is no such action, or that has no type. */
export const DATASET_ACTION: PositiveAction = "view";

/**
 * Numbers of `POSITIVE_ACTIONS`, in which models learn.
 * @param types names by number, such as `view`
 * @param lists numbers of types
 */
export function actionNumbers(
  types: readonly string[],
  lists: readonly Int32Array[],
): Int32Array[] {
  const names: readonly string[] = POSITIVE_ACTIONS;
  const numbers = types.map((type) => names.indexOf(names.includes(type) ? type : DATASET_ACTION));
  return lists.map((list) => list.map((type) => numbers[type]!));
}
