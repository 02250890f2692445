/**
 * In-batch softmax with the correction for sampling. A row's user vector is
 * u = norm(sum_t a_t v_t), a = softmax_t(rho * (number of newer behaviours)); the candidates are the
 * batch's distinct targets and products drawn evenly (mixed negatives, Yang et al., WWW 2020); with
 * towers, u and the candidates' v go through one each, norm((I + T) x), histories do not; logits are
 * u'v / tau - ln q with q = 1 - (1 - p)^B (1 - r), the chance that a product of target frequency p is
 * among B targets (Yi et al., RecSys 2019) or drawn, which has chance r; candidates of the row's own
 * history, other than its target, are left out.
 */
import { matrix, transpose } from "@marquetry/model/matrix";
import type { Matrix } from "@marquetry/model/matrix";
import { product } from "../linear-algebra/gemm.js";
import { gatherRows, rowOf } from "../linear-algebra/rows.js";
import type { Batch } from "./examples.js";
import { backwardNormalise, normalised } from "./item-tower.js";

export interface LossSettings {
  /** tau, above 0. */
  readonly temperature: number;
  /** p by product; they sum to 1. */
  readonly targetShares: Float64Array;
}

/** T by side, shape [d, d]; zeros leave the vectors as they are. */
export interface Towers {
  readonly user: Matrix;
  readonly item: Matrix;
}

export interface LossResult {
  /** Mean over the rows, in nats. */
  readonly loss: number;
  /** By v, shape of `vectors`. */
  readonly vectorGradient: Matrix;
  /** By rho. */
  readonly recencyGradient: number;
  /** By T of either side, where there are towers. */
  readonly towerGradients?: Towers;
}

export function inBatchLoss(
  vectors: Matrix,
  recency: number,
  batch: Batch,
  settings: LossSettings,
  towers?: Towers,
): LossResult {
  const drawn = batch.drawn?.products ?? [];
  const candidates = [...new Set([...batch.targets, ...drawn])].sort((a, b) => a - b);
  const placeOf = new Map(candidates.map((item, place) => [item, place]));
  const weights = batch.histories.map((history) => recencyWeights(history.length, recency));
  const pooled = pool(vectors, batch.histories, weights);
  const gathered = gatherRows(vectors, candidates);
  const users = normalised(towers === undefined ? pooled : climb(pooled, towers.user));
  const items = towers === undefined ? undefined : normalised(climb(gathered, towers.item));
  const candidateVectors = items?.rows ?? gathered;
  const logits = product(users.rows, candidateVectors, { transposeB: true });
  correct(logits, candidates, batch, placeOf, settings);
  const loss = softmaxInPlace(logits, batch, placeOf, settings.temperature);

  // From here `logits` holds the loss's gradient by u'v.
  const vectorGradient = matrix(vectors.rows, vectors.cols);
  let byCandidates = product(logits, users.rows, { transposeA: true });
  let byPooled = backwardNormalise(product(logits, candidateVectors), users);
  let towerGradients: Towers | undefined;
  if (towers !== undefined && items !== undefined) {
    const byItems = backwardNormalise(byCandidates, items);
    towerGradients = {
      user: product(byPooled, pooled, { transposeA: true }),
      item: product(byItems, gathered, { transposeA: true }),
    };
    byPooled = climb(byPooled, transpose(towers.user));
    byCandidates = climb(byItems, transpose(towers.item));
  }
  for (const [place, item] of candidates.entries()) {
    rowOf(vectorGradient, item).set(rowOf(byCandidates, place));
  }
  const recencyGradient = backwardPool(vectors, batch.histories, weights, byPooled, vectorGradient);
  return { loss, vectorGradient, recencyGradient, ...(towerGradients && { towerGradients }) };
}

/** (I + T) x for every row x. */
export function climb(rows: Matrix, tower: Matrix): Matrix {
  const result = product(rows, tower, { transposeB: true });
  for (let e = 0; e < result.data.length; e += 1) result.data[e]! += rows.data[e]!;
  return result;
}

/** softmax over t of rho * (length - 1 - t). */
function recencyWeights(length: number, recency: number): Float64Array {
  const weights = Float64Array.from({ length }, (_, t) => Math.exp(recency * (length - 1 - t)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function pool(
  vectors: Matrix,
  histories: readonly Int32Array[],
  weights: readonly Float64Array[],
): Matrix {
  const result = matrix(histories.length, vectors.cols);
  const sum = new Float64Array(vectors.cols);
  for (const [i, history] of histories.entries()) {
    sum.fill(0);
    for (const [t, item] of history.entries()) {
      const weight = weights[i]![t]!;
      const start = item * vectors.cols;
      for (let j = 0; j < sum.length; j += 1) sum[j]! += weight * vectors.data[start + j]!;
    }
    rowOf(result, i).set(sum);
  }
  return result;
}

/** Scales to logits, subtracts ln q and leaves out the row's own history. */
function correct(
  logits: Matrix,
  candidates: readonly number[],
  { histories, targets, drawn }: Batch,
  placeOf: ReadonlyMap<number, number>,
  { temperature, targetShares }: LossSettings,
): void {
  const chances = logChances(candidates, targets.length, targetShares, drawn?.chance);
  for (let i = 0; i < logits.rows; i += 1) {
    const row = rowOf(logits, i);
    for (let c = 0; c < row.length; c += 1) row[c] = row[c]! / temperature - chances[c]!;
    for (const item of histories[i]!) {
      const place = placeOf.get(item);
      if (place !== undefined && item !== targets[i]) row[place] = -Infinity;
    }
  }
}

/** ln q of each candidate: q = 1 - (1 - p)^B (1 - r), to be among B targets or drawn. */
export function logChances(
  candidates: ArrayLike<number>,
  targets: number,
  targetShares: Float64Array,
  drawn = 0,
): Float64Array {
  return Float64Array.from(candidates, (item) =>
    Math.log(-Math.expm1(targets * Math.log1p(-targetShares[item]!) + Math.log1p(-drawn))),
  );
}

/** Returns the mean cross-entropy and leaves (softmax - one hot) / (rows * tau). */
function softmaxInPlace(
  logits: Matrix,
  { targets }: Batch,
  placeOf: ReadonlyMap<number, number>,
  temperature: number,
): number {
  let loss = 0;
  const scale = 1 / (logits.rows * temperature);
  for (let i = 0; i < logits.rows; i += 1) {
    loss += crossEntropy(rowOf(logits, i), placeOf.get(targets[i]!)!, scale);
  }
  return loss / logits.rows;
}

/** Returns one row's cross-entropy and leaves (softmax - one hot) * scale. */
export function crossEntropy(row: Float32Array, target: number, scale: number): number {
  let largest = -Infinity;
  for (const logit of row) if (logit > largest) largest = logit;
  const targetLogit = row[target]! - largest;
  let total = 0;
  for (let c = 0; c < row.length; c += 1) {
    row[c] = Math.exp(row[c]! - largest);
    total += row[c]!;
  }
  for (let c = 0; c < row.length; c += 1) row[c]! *= scale / total;
  row[target]! -= scale;
  return Math.log(total) - targetLogit;
}

/** Adds the gradient by the histories' vectors; returns that by rho. */
function backwardPool(
  vectors: Matrix,
  histories: readonly Int32Array[],
  weights: readonly Float64Array[],
  byUsers: Matrix,
  vectorGradient: Matrix,
): number {
  let byRecency = 0;
  for (const [i, history] of histories.entries()) {
    const upstream = rowOf(byUsers, i);
    let meanShare = 0;
    let meanAge = 0;
    let meanBoth = 0;
    for (const [t, item] of history.entries()) {
      const weight = weights[i]![t]!;
      const start = item * vectors.cols;
      let share = 0;
      for (let j = 0; j < upstream.length; j += 1) {
        share += upstream[j]! * vectors.data[start + j]!;
        vectorGradient.data[start + j]! += weight * upstream[j]!;
      }
      const age = history.length - 1 - t;
      meanShare += weight * share;
      meanAge += weight * age;
      meanBoth += weight * share * age;
    }
    // sum_t a_t (share_t - mean share) age_t
    byRecency += meanBoth - meanShare * meanAge;
  }
  return byRecency;
}
