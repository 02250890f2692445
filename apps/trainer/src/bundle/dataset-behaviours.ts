import type { PooledBehaviour } from "@marquetry/model/interests";
import type { Matrix } from "@marquetry/model/matrix";
import { rowOf } from "../linear-algebra/rows.js";

/** How a behaviour of a dataset without behaviour types is told to the model. */
export const DATASET_ACTION = "view";

/** A history as services have it, a millisecond apart. @param history oldest first */
export function behavioursOf(vectors: Matrix, history: Int32Array): PooledBehaviour[] {
  return Array.from(history, (item, t) => ({
    vector: rowOf(vectors, item),
    action: DATASET_ACTION,
    occurredAtMs: t,
  }));
}
