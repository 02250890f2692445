/** Learned interests as a bundle describes them to the services, with what must come out. */
import type { ActionEffect, InterestModel } from "@marquetry/model/interests";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { POSITIVE_ACTIONS } from "../dataset/actions.js";
import { interactionFactors, attentionWeights, pooledVector } from "../scoring/pooled.js";
import type { InterestAttention } from "../scoring/pooled.js";
import { rowOf } from "../linear-algebra/rows.js";
import { sequenceGraph } from "../sequence/onnx.js";
import { interestsOf } from "../sequence/interests.js";
import type { SequenceModel } from "../sequence/interests.js";

/** What a dataset cannot tell. */
interface ActionSettings {
  readonly actions: Readonly<Record<string, ActionEffect>>;
  readonly negativeShare: number;
}

export interface ServedInterests {
  readonly model: (settings: ActionSettings) => InterestModel;
  /** The interest after a history of products, oldest first, without the services' functions. */
  readonly interestOf: (history: Int32Array) => Float32Array;
}

/**
 * u = norm(g * sum_t decay^(newer than t) v_t).
 * @param gain g, element by element; ones where absent
 */
export function recencyInterests(
  vectors: Matrix,
  decay: number,
  gain?: Float32Array,
): ServedInterests {
  return {
    model: ({ actions, negativeShare }) => ({
      strategy: "attention",
      contentScoring: false,
      actions,
      rankDecay: decay,
      negativeShare,
      normaliseOutput: true,
      ...(gain && { value: diagonal(gain) }),
    }),
    interestOf: (history) => Float32Array.from(pooledVector(vectors, history, decay, gain)),
  };
}

/** As `recencyInterests`, each interaction weighed by its product and its action as well. */
export function attentionInterests(
  vectors: Matrix,
  decay: number,
  attention: InterestAttention,
): ServedInterests {
  const { query, key, biases } = attention;
  const weights = attentionWeights(vectors, attention);
  const byAction = POSITIVE_ACTIONS.map((action, i) => [action, biases[i]!] as const);
  return {
    model: ({ actions, negativeShare }) => ({
      strategy: "attention",
      contentScoring: true,
      query,
      key,
      actions: {
        ...actions,
        ...Object.fromEntries(byAction.map(([action, bias]) => [action, { bias, sign: 1 }])),
      },
      rankDecay: decay,
      negativeShare,
      normaliseOutput: true,
    }),
    interestOf: (history) => {
      const factors = interactionFactors(weights, history);
      return Float32Array.from(pooledVector(vectors, history, decay, undefined, factors));
    },
  };
}

/** By the model's ONNX graph. */
export function sequenceInterests(sequence: SequenceModel): ServedInterests {
  const { shape, parameters } = sequence;
  return {
    model: ({ actions, negativeShare }) => ({
      strategy: "sequence",
      graph: sequenceGraph(shape, parameters),
      historyMax: shape.historyMax,
      rankDecay: shape.decay,
      actions,
      negativeShare,
      normaliseOutput: true,
    }),
    interestOf: (history) => rowOf(interestsOf(sequence, [history]), 0),
  };
}

function diagonal(values: Float32Array): Matrix {
  const result = matrix(values.length, values.length);
  for (const [j, value] of values.entries()) result.data[j * (values.length + 1)] = value;
  return result;
}
