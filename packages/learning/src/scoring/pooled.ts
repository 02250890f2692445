/** Ranking by one vector per product and one pooled vector per user: what the services do. */
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { contentScores } from "../training/pooling.js";
import { residualProjection } from "../training/towers.js";
import type { Towers } from "../training/towers.js";
import type { Scorer } from "./top-lists.js";

export interface PooledRanking {
  /** One row per product. */
  readonly vectors: Matrix;
  /** By user, oldest first. */
  readonly histories: readonly Int32Array[];
  /** Weight of a behaviour per newer one: u = norm(g * sum_t decay^(newer than t) v_t). */
  readonly decay: number;
  /** g, element by element, shape [d]; ones where absent. */
  readonly gain?: Float32Array;
  /** What else a behaviour counts by, beside how new it is. */
  readonly interests?: PooledInterests | undefined;
  /** By user, the action of each behaviour, where they are known. */
  readonly actions?: readonly Int32Array[] | undefined;
  /** By product, what is added to u'v. */
  readonly prior: Float64Array;
  /** What users and products go through before they meet. */
  readonly towers?: Towers | undefined;
}

/** A behaviour's weight is exp(score of its product + bias of its action) times its recency. */
export interface PooledInterests {
  /** By product; see `contentScores`. */
  readonly scores: Float64Array;
  /** By action; a behaviour whose action is not known is of the first. */
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

/** The attention as pooling takes it. @param vectors shape [products, d] */
export function pooledInterests(vectors: Matrix, attention: InterestAttention): PooledInterests {
  return { scores: contentScores(vectors, attention), biases: attention.biases };
}

/** score = u'v + prior. */
export function pooledScorer(ranking: PooledRanking): Scorer {
  const { vectors, histories, decay, prior, gain, towers, interests, actions } = ranking;
  const items =
    towers === undefined ? vectors : normaliseRows(residualProjection(vectors, towers.item));
  return (users) => {
    const pooled = matrix(users.length, vectors.cols);
    for (const [i, user] of users.entries()) {
      const history = histories[user]!;
      const factors = interests && interestFactors(interests, history, actions?.[user]);
      rowOf(pooled, i).set(pooledVector(vectors, history, decay, gain, factors));
    }
    const climbed =
      towers === undefined ? pooled : normaliseRows(residualProjection(pooled, towers.user));
    return addPrior(matmul(climbed, items, { transposeB: true }), prior);
  };
}

/**
 * max_k u_k'v of each user, with the rows in the order of the users.
 * @param interests by user, any number of vectors of shape [d]; a user without any scores 0
 * @param items shape [products, d]
 * @param throughTower what rows of interests go through before they meet products
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

/** By place of the history. */
export function interestFactors(
  { scores, biases }: PooledInterests,
  history: Int32Array,
  actions?: Int32Array,
): Float64Array {
  return Float64Array.from(history, (item, t) =>
    Math.exp(scores[item]! + biases[actions?.[t] ?? 0]!),
  );
}

/**
 * A zero vector where the history has none.
 * @param factors of the weight, by place; ones where absent
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

export function addPrior(scores: Matrix, prior: Float64Array): Matrix {
  for (let i = 0; i < scores.rows; i += 1) {
    const row = rowOf(scores, i);
    for (let j = 0; j < row.length; j += 1) row[j]! += prior[j]!;
  }
  return scores;
}

/** weight * log(1 + count), with no count below `popularityFloor`. */
export function popularityPrior(counts: Float64Array, weight: number): Float64Array {
  const floor = popularityFloor(counts);
  return counts.map((count) => weight * Math.log1p(Math.max(count, floor)));
}

/** The median of products that somebody had: what a cold product may well come to. */
export function popularityFloor(counts: Float64Array): number {
  const rising = counts.filter((count) => count > 0).toSorted();
  return rising[Math.floor(rising.length / 2)] ?? 0;
}
