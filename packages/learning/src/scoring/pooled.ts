/** Ranking by one vector per product and one pooled interest per user, as services rank. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { contentScores } from "../training/pooling.js";
import { residualProjection } from "../training/towers.js";
import type { Towers } from "../training/towers.js";
import type { Scorer } from "./top-lists.js";

interface PooledRanking {
  /** One row per product. */
  readonly vectors: Matrix;
  /** By user, oldest first. */
  readonly histories: readonly Int32Array[];
  /** An interaction's weight per newer one: u = norm(g * sum_t decay^(newer than t) v_t). */
  readonly decay: number;
  /** g, element by element, shape [d]. Default: ones. */
  readonly gain?: Float32Array;
  /** Further weights of interactions. Default: by recency alone. */
  readonly interactionWeights?: InteractionWeights | undefined;
  /** By user, the action of each interaction. Default: none are known. */
  readonly actions?: readonly Int32Array[] | undefined;
  /** By product, added to u'v. */
  readonly prior: Float64Array;
  /** Applied to users and products before they meet. Default: none. */
  readonly towers?: Towers | undefined;
}

/** An interaction's weight is exp(score of its product + bias of its action) times its recency. */
interface InteractionWeights {
  /** By product; see `contentScores`. */
  readonly scores: Float64Array;
  /** By action; an interaction without a known action has action 0. */
  readonly biases: Float32Array;
}

/** Learned beside a fusion model, for its vectors (see training/pooling.ts). */
export interface InterestAttention {
  /** Shape [d_k, d]. */
  readonly query: Matrix;
  readonly key: Matrix;
  /** By `POSITIVE_ACTIONS`. */
  readonly biases: Float32Array;
}

/** The weights of interactions by attention. @param vectors shape [products, d] */
export function attentionWeights(
  vectors: Matrix,
  attention: InterestAttention,
): InteractionWeights {
  return { scores: contentScores(vectors, attention), biases: attention.biases };
}

/** score = u'v + prior; with towers, u and v each go through one. */
export function pooledScorer(ranking: PooledRanking): Scorer {
  const { vectors, histories, decay, prior, gain, towers, interactionWeights, actions } = ranking;
  const items =
    towers === undefined ? vectors : normaliseRows(residualProjection(vectors, towers.item));
  return (users) => {
    const pooled = matrix(users.length, vectors.cols);
    for (const [i, user] of users.entries()) {
      const history = histories[user]!;
      const factors =
        interactionWeights && interactionFactors(interactionWeights, history, actions?.[user]);
      rowOf(pooled, i).set(pooledVector(vectors, history, decay, gain, factors));
    }
    const projected =
      towers === undefined ? pooled : normaliseRows(residualProjection(pooled, towers.user));
    return addPrior(matmul(projected, items, { transposeB: true }), prior);
  };
}

/**
 * max_k u_k'v of each user, with the rows in the order of the users.
 * @param interests by user, any number of vectors of shape [d]; a user without any scores 0
 * @param items shape [products, d]
 * @param throughTower applied to rows of interests before they meet products. Default: nothing.
 */
export function nearestScores(
  interests: readonly (readonly Float32Array[])[],
  items: Matrix,
  throughTower: (users: Matrix) => Matrix = (users) => users,
): Matrix {
  const most = interests.reduce((max, own) => Math.max(max, own.length), 1);
  const dims = interests.find((own) => own.length > 0)?.[0]!.length ?? items.cols;
  let scores: Matrix | undefined;
  for (let k = 0; k < most; k += 1) {
    const users = matrix(interests.length, dims);
    for (const [i, own] of interests.entries()) rowOf(users, i).set(own[k] ?? own[0] ?? []);
    const next = matmul(throughTower(users), items, { transposeB: true });
    if (scores === undefined) scores = next;
    else for (const [i, x] of next.data.entries()) if (x > scores.data[i]!) scores.data[i] = x;
  }
  return scores!;
}

/** exp(score + bias) by place of the history. @param actions by place. Default: all are action 0. */
export function interactionFactors(
  { scores, biases }: InteractionWeights,
  history: Int32Array,
  actions?: Int32Array,
): Float64Array {
  return Float64Array.from(history, (item, t) =>
    Math.exp(scores[item]! + biases[actions?.[t] ?? 0]!),
  );
}

/**
 * norm(g * sum_t f_t decay^(newer than t) v_t), shape [d]; zeros for an empty history.
 * @param vectors v, one row per product
 * @param history products, oldest first
 * @param gain g, shape [d]. Default: ones.
 * @param factors f, by place. Default: ones.
 */
export function pooledVector(
  vectors: Matrix,
  history: Int32Array,
  decay: number,
  gain?: Float32Array,
  factors?: Float64Array,
): Float64Array {
  const sum = new Float64Array(vectors.cols);
  let weight = 1;
  for (let t = history.length - 1; t >= 0; t -= 1) {
    const row = rowOf(vectors, history[t]!);
    const own = factors === undefined ? weight : weight * factors[t]!;
    for (let j = 0; j < row.length; j += 1) sum[j]! += own * row[j]!;
    weight *= decay;
  }
  if (gain !== undefined) for (let j = 0; j < sum.length; j += 1) sum[j]! *= gain[j]!;
  const length = Math.sqrt(sum.reduce((squares, x) => squares + x * x, 0));
  return length === 0 ? sum : sum.map((x) => x / length);
}

/** Adds the prior to every row, in place. */
export function addPrior(scores: Matrix, prior: Float64Array): Matrix {
  for (let i = 0; i < scores.rows; i += 1) {
    const row = rowOf(scores, i);
    for (let j = 0; j < row.length; j += 1) row[j]! += prior[j]!;
  }
  return scores;
}

/** weight * log(1 + max(count, `popularityFloor`)), by product. */
export function popularityPrior(counts: Float64Array, weight: number): Float64Array {
  const floor = popularityFloor(counts);
  return counts.map((count) => weight * Math.log1p(Math.max(count, floor)));
}

/** The median over products with interactions: the popularity that a cold product may reach. */
export function popularityFloor(counts: Float64Array): number {
  const rising = counts.filter((count) => count > 0).toSorted();
  return rising[Math.floor(rising.length / 2)] ?? 0;
}
