/** How services pool histories, and what the trainer says must come out. */
import type { ActionEffect, InterestModel } from "@marquetry/model/interests";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { POSITIVE_ACTIONS } from "../dataset/actions.js";
import { interestFactors, pooledVector } from "./pooled.js";
import type { PooledInterests } from "./pooled.js";
import { rowOf } from "../linear-algebra/rows.js";
import { sequenceGraph } from "../sequence/onnx.js";
import { interestsOf } from "../sequence/interests.js";
import type { SequenceModel } from "../sequence/interests.js";
import { contentScores } from "../training/pooling.js";

/** What a dataset cannot tell. */
export interface ActionSettings {
  readonly actions: Readonly<Record<string, ActionEffect>>;
  readonly negativeShare: number;
}

export interface ServedInterests {
  readonly model: (settings: ActionSettings) => InterestModel;
  /** The interest after a history of products, oldest first, without the services' functions. */
  readonly interestOf: (history: Int32Array) => Float32Array;
}

/** Learned beside a fusion model, for its vectors (see training/pooling.ts). */
export interface InterestAttention {
  /** Shape [d_k, d]. */
  readonly query: Matrix;
  readonly key: Matrix;
  /** By `POSITIVE_ACTIONS`. */
  readonly biases: Float32Array;
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

/** The attention as pooling takes it. @param vectors shape [products, d] */
export function pooledInterests(vectors: Matrix, attention: InterestAttention): PooledInterests {
  return { scores: contentScores(vectors, attention), biases: attention.biases };
}

/** As `recencyInterests`, each behaviour weighed by what and of which action it is as well. */
export function attentionInterests(
  vectors: Matrix,
  decay: number,
  attention: InterestAttention,
): ServedInterests {
  const { query, key, biases } = attention;
  const interests = pooledInterests(vectors, attention);
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
      const factors = interestFactors(interests, history);
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
