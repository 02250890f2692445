/** A dataset in memory: products and users are numbers from 0, in every list and matrix. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { actionNumbers } from "./actions.js";

export interface Dataset {
  readonly name: string;
  /** Product ids by number. */
  readonly itemIds: readonly string[];
  /** Whether histories are in order of time, oldest first. */
  readonly ordered: boolean;
  readonly splits: Splits;
  /** Of the interactions, where the data have them. */
  readonly actions?: InteractionActions;
  /** Where the data have the dates of products. */
  readonly dates?: Dates;
  /** By modality, one row per product. */
  readonly features: Readonly<Record<string, Matrix>>;
  /** By modality that is still to be encoded, one text per product. */
  readonly texts: Readonly<Record<string, readonly string[]>>;
  /** By modality that is still to be encoded, one file per product; undefined where it has none. */
  readonly images?: Readonly<Record<string, ImageFiles>>;
}

export interface ImageFiles {
  /** The table that names the files, for messages. */
  readonly table: string;
  /** By product: the picture's path, and the row that named it. */
  readonly files: readonly ({ readonly path: string; readonly row: number } | undefined)[];
}

/** The action of each interaction. */
export interface InteractionActions {
  /** Names by number, such as `view`. */
  readonly names: readonly string[];
  /** By user, one number per place of `splits.train` and `splits.valid`. */
  readonly train: readonly Int32Array[];
  readonly valid: readonly Int32Array[];
}

/** Milliseconds since the epoch. */
export interface Dates {
  /** By product, when it became available. */
  readonly availableFromMs: Float64Array;
  /** By user, the time of the target of each part; NaN for users who are not evaluated. */
  readonly evaluatedAtMs: Readonly<Record<"valid" | "test", Float64Array>>;
}

export interface Splits {
  /** By user: the products of the training part; may be empty. */
  readonly train: readonly Int32Array[];
  /** By user: what is to be found after `train`; may be empty. */
  readonly valid: readonly Int32Array[];
  /** By user: what is to be found after the history that `testHistory` names; may be empty. */
  readonly test: readonly Int32Array[];
  /** In leave-one-out, the validation product is part of the test history; in sets it is not. */
  readonly testHistory: "train" | "train-and-valid";
}

/** What is evaluated: with these histories, find these targets. */
export interface EvaluationCase {
  /** By user. */
  readonly histories: readonly Int32Array[];
  /** By user, the action of each place of the history (actions.ts). Default: none are known. */
  readonly actions?: readonly Int32Array[];
  /** By user; users without targets are not evaluated. */
  readonly targets: readonly Int32Array[];
  /** By user, the products of the user's own history, to which the history policy applies. Default:
   * `histories`. Users without them are not evaluated. */
  readonly own?: readonly Int32Array[];
}

/**
 * The evaluation case of a part.
 * @param part the test's histories have the validation products too where `testHistory` says so
 */
export function evaluationCaseOf(
  { splits, actions }: Pick<Dataset, "splits" | "actions">,
  part: "valid" | "test",
): EvaluationCase {
  const { train, valid, test, testHistory } = splits;
  const withValid = part === "test" && testHistory === "train-and-valid";
  const numbers = actions && (withValid ? joined(actions.train, actions.valid) : actions.train);
  return {
    histories: withValid ? joined(train, valid) : train,
    ...(numbers && { actions: actionNumbers(actions.names, numbers) }),
    targets: part === "valid" ? valid : test,
  };
}

function joined(first: readonly Int32Array[], second: readonly Int32Array[]): Int32Array[] {
  return first.map((list, user) => Int32Array.of(...list, ...second[user]!));
}

/** How often each product stands in the lists, by product; shape [items]. */
export function countItems(lists: readonly Int32Array[], items: number): Float64Array {
  const counts = new Float64Array(items);
  for (const list of lists) for (const item of list) counts[item]! += 1;
  return counts;
}
