/** Around the graph of a sequence model: its input, and what negative interactions subtract. */
import { effectOf, poolingWeights } from "./interests.js";
import type { PooledInteraction, SequenceInterest } from "./interests.js";
import { norm, normalise, weightedSum } from "../vectors/vector.js";

/**
 * The input of the graph.
 * @param interactions in any order; those of equal time keep theirs
 * @returns the vectors of the newest positive interactions, oldest first; empty where there are none,
 *   and then there is no interest
 * @throws RangeError where an action is not listed in the model
 */
export function sequenceOf(
  model: SequenceInterest,
  interactions: readonly PooledInteraction[],
): Float32Array[] {
  return interactions
    .filter(({ action }) => effectOf(model, action).sign === 1)
    .toSorted((a, b) => a.occurredAtMs - b.occurredAtMs)
    .slice(-model.historyMax)
    .map(({ vector }) => vector);
}

/**
 * u = g - negativeShare * sum_{i negative} a_i v_i, L2-normalised where the model says so, with g of
 * length 1 from the graph and a the weights of recency pooling over all interactions of either sign:
 * a = softmax_i(b_action + ln(rankDecay) * rank_i). Weights as in `pool`, so that a dislike counts as
 * it does there.
 * @param interest g, shape [d]
 * @returns shape [d]; undefined where the two cancel
 * @throws as `pool`
 */
export function lessNegatives(
  model: SequenceInterest,
  interactions: readonly PooledInteraction[],
  interest: Float32Array,
): Float32Array | undefined {
  const { actions, negativeShare, normaliseOutput, rankDecay } = model;
  const weights = poolingWeights(
    {
      strategy: "attention",
      contentScoring: false,
      actions,
      negativeShare,
      normaliseOutput,
      rankDecay,
    },
    interactions,
  );
  const negative = interactions.flatMap(({ action, vector }, i) =>
    effectOf(model, action).sign === -1 ? [{ vector, weight: -negativeShare * weights[i]! }] : [],
  );
  const sum = weightedSum(
    [interest, ...negative.map(({ vector }) => vector)],
    [1, ...negative.map(({ weight }) => weight)],
  );
  if (norm(sum) === 0) return undefined;
  return normaliseOutput ? normalise(sum) : sum;
}
