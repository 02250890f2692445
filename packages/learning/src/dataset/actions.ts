/** Actions of a dataset as actions of the clickstream. */
import type { ActionName } from "@marquetry/contracts/actions";

/** The actions that are in favour of a product, from the weakest to the strongest. */
export const POSITIVE_ACTIONS = [
  "view",
  "click",
  "favourite",
  "add-to-cart",
  "purchase",
] as const satisfies readonly ActionName[];
export type PositiveAction = (typeof POSITIVE_ACTIONS)[number];

/** Stands for an action that is none of these, and for an interaction without one. */
export const DATASET_ACTION: PositiveAction = "view";

/**
 * Numbers of `POSITIVE_ACTIONS`, in which models learn.
 * @param names the dataset's actions by number, such as `view`
 * @param lists numbers of the dataset's actions
 */
export function actionNumbers(
  names: readonly string[],
  lists: readonly Int32Array[],
): Int32Array[] {
  const positive: readonly string[] = POSITIVE_ACTIONS;
  const numbers = names.map((name) =>
    positive.indexOf(positive.includes(name) ? name : DATASET_ACTION),
  );
  return lists.map((list) => list.map((action) => numbers[action]!));
}
