/** Histories to interests, by a trained sequence model. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { gatherRows, rowOf } from "../linear-algebra/rows.js";
import type { Parameters } from "../training/parameters.js";
import type { SequenceShape } from "./parameters.js";
import { forwardSequence } from "./transformer.js";

/** A trained sequence model and the products' vectors that it was trained on. */
export interface SequenceModel {
  readonly shape: SequenceShape;
  readonly parameters: Parameters;
  /** One row of length 1 per product. */
  readonly vectors: Matrix;
}

/** One row per history: the interest after its newest product; zeros where it has none. */
export function interestsOf(
  { shape, parameters, vectors }: SequenceModel,
  histories: readonly Int32Array[],
): Matrix {
  const result = matrix(histories.length, shape.dims);
  const newest = histories.map((history) => history.slice(-shape.historyMax));
  const starts = [0];
  for (const { length } of newest) starts.push(starts.at(-1)! + length);
  if (starts.at(-1) === 0) return result;
  const x = gatherRows(
    vectors,
    newest.flatMap((history) => [...history]),
  );
  const { interests } = forwardSequence(shape, parameters, x, Int32Array.from(starts), {
    chance: 0,
    uniform: () => 0,
  });
  for (const [i, { length }] of newest.entries()) {
    if (length > 0) rowOf(result, i).set(rowOf(interests, starts[i + 1]! - 1));
  }
  return result;
}
