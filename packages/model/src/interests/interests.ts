/** Interests: the interactions of one user become one vector in the space of the products. */
import { assertMatrix, matVec } from "../vectors/matrix.js";
import type { Matrix } from "../vectors/matrix.js";
import { softmax } from "../vectors/softmax.js";
import { assertDims, assertFinite, dot, norm, normalise, weightedSum } from "../vectors/vector.js";

/** One interaction of the user, with the fused vector v_i of its product. */
export interface PooledInteraction {
  /** Shape [d], the same for all. */
  readonly vector: Float32Array;
  readonly action: string;
  /** Milliseconds since the epoch. */
  readonly occurredAtMs: number;
}

/** What an action says about its product. */
export interface ActionEffect {
  /** b_action, added to the interaction's score: exp(bias) times the weight of a bias of 0. */
  readonly bias: number;
  /** 1 where the user wants more of the kind, -1 where less. */
  readonly sign: 1 | -1;
}

/**
 * How a history is split. A product is scored by the interest it is nearest to, as in MIND (Li et
 * al. 2019) and ComiRec (Cen et al. 2020); here the interests are cluster centres drawn towards the
 * pooled one, since bare centres forget what the pooling knows of recency.
 */
export interface MultiInterest {
  /** K: at most so many interests; an integer of 2 to 8, for each is one more search. */
  readonly max: number;
  /** A vector nearer to a centre than this belongs to it; in (-1, 1). */
  readonly cosine: number;
  /** How much of its cluster is in an interest, in (0, 1); the pooled interest counts as 1. */
  readonly share: number;
  /** Rounds of k-means, an integer of at least 0. */
  readonly rounds: number;
}

interface InterestOutput {
  /** By action; an interaction whose action is not listed is refused. */
  readonly actions: Readonly<Record<string, ActionEffect>>;
  /** How strongly negative interactions push away, at least 0; 1 is as strongly as positive ones
   * of the same weight pull. */
  readonly negativeShare: number;
  /** Whether the interest vector is L2-normalised. */
  readonly normaliseOutput: boolean;
  /** How a history is split into interests around the pooled one. Default: one interest a user. Bundles
   * call it `several`. */
  readonly multiInterest?: MultiInterest;
}

/** a_i = 1 / N and x_i = v_i: u = mean v_i where every action is positive. Biases have no effect. */
export interface MeanInterest extends InterestOutput {
  readonly strategy: "mean";
}

/**
 * a = softmax_i(q_i'k_i / sqrt(d_k) + b_action + r(age_i)) with q_i = W_q v_i, k_i = W_k v_i,
 * x_i = W_v v_i, each matrix the identity where absent; the first term falls away where
 * `contentScoring` is off.
 *
 * r(age) = -ln 2 * age / ageHalfLifeMs + ln(rankDecay) * rank, each where the model has it. Age is counted from
 * the newest interaction: counting from any other "now" would add the same constant to every score,
 * which cancels in the softmax, so the interest does not depend on the clock. Rank is the
 * number of interactions that are strictly newer: equal times have equal ranks, and the order of the
 * list does not count.
 */
export interface AttentionInterest extends InterestOutput {
  readonly strategy: "attention";
  readonly contentScoring: boolean;
  /** W_q, shape [d_k, d]. */
  readonly query?: Matrix;
  /** W_k, shape [d_k, d]. */
  readonly key?: Matrix;
  /** W_v, shape [d, d]: interests live in the space of the products. */
  readonly value?: Matrix;
  /** Milliseconds after which an interaction weighs half; above 0. */
  readonly ageHalfLifeMs?: number;
  /** Factor of the weight per newer interaction, in (0, 1]. */
  readonly rankDecay?: number;
}

/**
 * u is what an ONNX graph makes of the positive interactions in their order, less the negative ones
 * (sequence-interest.ts). Running a graph takes a runtime and time, so `pool` cannot; services do it
 * through packages/inference/src/interests.ts.
 */
export interface SequenceInterest extends InterestOutput {
  readonly strategy: "sequence";
  /** `vectors` [N, L, d] and `present` [N, L] in, `interest` [N, d] out. */
  readonly graph: Uint8Array;
  /** L: of more positive interactions the newest count. */
  readonly historyMax: number;
  /** Factor of a negative interaction's weight per newer one, in (0, 1]. */
  readonly rankDecay: number;
}

const INTERESTS_MAX = 8;

export type InterestModel = MeanInterest | AttentionInterest | SequenceInterest;

/**
 * u = sum_{i positive} a_i x_i - negativeShare * sum_{i negative} a_i x_i, L2-normalised where the
 * model says so. The weights a_i come from one softmax over all interactions of either sign.
 * @param interactions in any order
 * @returns shape [d]; undefined where there is no positive interaction (dislikes alone name no
 *   interest, and the opposite of a vector is no product's kind) or where the two sums cancel
 * @throws RangeError where dimensions differ, an element or time is not finite, an action is not
 *   listed in the model, or the model is a sequence
 */
export function pool(
  model: InterestModel,
  interactions: readonly PooledInteraction[],
): Float32Array | undefined {
  if (interactions.length === 0) return undefined;
  const weights = poolingWeights(model, interactions);
  const signs = interactions.map(({ action }) => effectOf(model, action).sign);
  if (!signs.includes(1)) return undefined;
  const summed = weightedSum(
    interactions.map((interaction) => interaction.vector),
    weights.map((weight, i) => (signs[i] === 1 ? weight : -model.negativeShare * weight)),
  );
  // W_v is linear, so it is applied once, to the sum.
  const value = model.strategy === "attention" ? model.value : undefined;
  const interest = value === undefined ? summed : matVec(value, summed);
  if (norm(interest) === 0) return undefined;
  return model.normaliseOutput ? normalise(interest) : interest;
}

/**
 * The a_i of `pool`.
 * @returns one weight per interaction, in their order; they sum to 1
 * @throws as `pool`
 */
export function poolingWeights(
  model: InterestModel,
  interactions: readonly PooledInteraction[],
): number[] {
  for (const { vector, action, occurredAtMs } of interactions) {
    assertFinite(vector, `vector of a ${action}`);
    if (!Number.isFinite(occurredAtMs)) {
      throw new RangeError(`time of a ${action}: ${occurredAtMs} is not a finite number`);
    }
  }
  if (model.strategy === "sequence") {
    throw new RangeError("interests: a sequence model is a graph; packages/inference runs it");
  }
  if (interactions.length === 0) return [];
  if (model.strategy === "mean") return interactions.map(() => 1 / interactions.length);
  const recency = recencyScores(
    model,
    interactions.map((interaction) => interaction.occurredAtMs),
  );
  return softmax(
    interactions.map(
      ({ vector, action }, i) =>
        contentScore(model, vector) + effectOf(model, action).bias + recency[i]!,
    ),
  );
}

/** q'k / sqrt(d_k) */
function contentScore(model: AttentionInterest, vector: Float32Array): number {
  if (!model.contentScoring) return 0;
  const query = model.query === undefined ? vector : matVec(model.query, vector);
  const key = model.key === undefined ? vector : matVec(model.key, vector);
  return dot(query, key) / Math.sqrt(key.length);
}

/** r(age_i) */
function recencyScores(model: AttentionInterest, timesMs: readonly number[]): number[] {
  const newestFirst = timesMs.toSorted((a, b) => b - a);
  const rankOf = new Map<number, number>();
  newestFirst.forEach((time, i) => {
    if (!rankOf.has(time)) rankOf.set(time, i);
  });
  return timesMs.map((time) => {
    const age = newestFirst[0]! - time;
    const byAge = model.ageHalfLifeMs === undefined ? 0 : (-Math.LN2 * age) / model.ageHalfLifeMs;
    const byRank =
      model.rankDecay === undefined ? 0 : Math.log(model.rankDecay) * rankOf.get(time)!;
    return byAge + byRank;
  });
}

/** @throws RangeError where the model does not list the action */
export function effectOf(model: InterestModel, action: string): ActionEffect {
  if (Object.hasOwn(model.actions, action)) return model.actions[action]!;
  throw new RangeError(`${action}: no action of the interest model`);
}

/**
 * Refuses a model whose numbers or shapes do not fit together.
 * @param dims d, the length of the products' fused vectors
 * @throws RangeError that names the offending field, such as `interests.rankDecay`
 */
export function assertInterestModel(model: InterestModel, dims: number): void {
  if (Object.keys(model.actions).length === 0)
    throw new RangeError("interests.actions: none given");
  for (const [action, effect] of Object.entries(model.actions)) {
    if (!Number.isFinite(effect.bias)) {
      throw new RangeError(`interests.actions.${action}.bias: expected a finite number`);
    }
    if (effect.sign !== 1 && effect.sign !== -1) {
      throw new RangeError(`interests.actions.${action}.sign: expected 1 or -1`);
    }
  }
  if (!(model.negativeShare >= 0 && Number.isFinite(model.negativeShare))) {
    throw new RangeError(
      `interests.negativeShare: expected at least 0, got ${model.negativeShare}`,
    );
  }
  if (model.multiInterest !== undefined) assertMultiInterest(model.multiInterest);
  if (model.strategy === "attention") assertAttention(model, dims);
  if (model.strategy === "sequence") assertSequence(model);
}

function assertSequence({ historyMax, rankDecay }: SequenceInterest): void {
  if (!(Number.isSafeInteger(historyMax) && historyMax >= 1)) {
    throw new RangeError(`interests.historyMax: expected an integer above 0, got ${historyMax}`);
  }
  if (!(rankDecay > 0 && rankDecay <= 1)) {
    throw new RangeError(`interests.rankDecay: expected in (0, 1], got ${rankDecay}`);
  }
}

function assertMultiInterest({ max, cosine, share, rounds }: MultiInterest): void {
  const refuse = (field: string, expected: string, got: number): never => {
    throw new RangeError(`interests.several.${field}: expected ${expected}, got ${got}`);
  };
  if (!(Number.isSafeInteger(max) && max >= 2 && max <= INTERESTS_MAX)) {
    refuse("max", `an integer of 2 to ${INTERESTS_MAX}`, max);
  }
  if (!(cosine > -1 && cosine < 1)) refuse("cosine", "above -1 and below 1", cosine);
  if (!(share > 0 && share < 1)) refuse("share", "above 0 and below 1", share);
  if (!(Number.isSafeInteger(rounds) && rounds >= 0)) refuse("rounds", "an integer from 0", rounds);
}

function assertAttention(model: AttentionInterest, dims: number): void {
  const { ageHalfLifeMs, rankDecay, query, key, value } = model;
  if (ageHalfLifeMs !== undefined && !(ageHalfLifeMs > 0 && Number.isFinite(ageHalfLifeMs))) {
    throw new RangeError(`interests.ageHalfLifeMs: expected above 0, got ${ageHalfLifeMs}`);
  }
  if (rankDecay !== undefined && !(rankDecay > 0 && rankDecay <= 1)) {
    throw new RangeError(`interests.rankDecay: expected in (0, 1], got ${rankDecay}`);
  }
  for (const [name, m] of Object.entries({ query, key, value })) {
    if (m === undefined) continue;
    assertMatrix(m, `interests.${name}`);
    assertDims(`interests.${name}`, m.cols, dims);
  }
  assertDims("interests.key", key?.rows ?? dims, query?.rows ?? dims);
  assertDims("interests.value", value?.rows ?? dims, dims);
}
