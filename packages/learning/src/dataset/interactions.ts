import type { PooledInteraction } from "@marquetry/model/interests";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { DATASET_ACTION, POSITIVE_ACTIONS } from "./actions.js";
import { rowOf } from "../linear-algebra/rows.js";

/**
 * A history as services have it, one interaction per millisecond.
 * @param vectors one row per product
 * @param history oldest first
 * @param actions by place. Default: `DATASET_ACTION`.
 */
export function interactionsOf(
  vectors: Matrix,
  history: Int32Array,
  actions?: Int32Array,
): PooledInteraction[] {
  return Array.from(history, (item, t) => ({
    vector: rowOf(vectors, item),
    action: actions === undefined ? DATASET_ACTION : POSITIVE_ACTIONS[actions[t]!]!,
    occurredAtMs: t,
  }));
}
