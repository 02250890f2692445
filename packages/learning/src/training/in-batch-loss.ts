/**
 * In-batch softmax with the correction for sampling. A row's user vector is
 * u = norm(p), p its pooled history (pooling.ts); the candidates are the
 * batch's distinct targets and products drawn evenly (mixed negatives, Yang et al., WWW 2020); with
 * towers, u and the candidates' v go through one each, norm((I + T) x), histories do not; logits are
 * u'v / tau - ln q with q = 1 - (1 - p)^B (1 - r), the chance that a product of target frequency p is
 * among B targets (Yi et al., RecSys 2019) or drawn, which has probability r; candidates of the row's
 * own history, other than its target, are masked.
 */
import { matrix, transpose } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { backwardNormalise, normalised } from "../linear-algebra/normalised.js";
import { gatherRows, rowOf } from "../linear-algebra/rows.js";
import type { Batch } from "./examples.js";
import { backwardPooling, poolHistories } from "./pooling.js";
import type { InterestWeights } from "./pooling.js";
import { residualProjection } from "./towers.js";
import type { Towers } from "./towers.js";

export interface LossSettings {
  /** tau, above 0. */
  readonly temperature: number;
  /** p by product; they sum to 1. */
  readonly targetShares: Float64Array;
}

interface LossResult {
  /** Mean over the rows, in nats. */
  readonly loss: number;
  /** By v, shape of `vectors`. */
  readonly vectorGradient: Matrix;
  readonly interestGradients: InterestWeights;
  /** By T of either side, where there are towers. */
  readonly towerGradients?: Towers;
}

/**
 * The loss of one batch and its gradients.
 * @param vectors v, shape [items, d], rows of length 1
 * @param towers Default: users and products meet as they are.
 */
export function inBatchLoss(
  vectors: Matrix,
  interests: InterestWeights,
  batch: Batch,
  settings: LossSettings,
  towers?: Towers,
): LossResult {
  const drawn = batch.drawn?.products ?? [];
  const candidates = [...new Set([...batch.targets, ...drawn])].sort((a, b) => a - b);
  const placeOf = new Map(candidates.map((item, place) => [item, place]));
  const pooled = poolHistories(vectors, batch, interests);
  const gathered = gatherRows(vectors, candidates);
  const users = normalised(
    towers === undefined ? pooled.rows : residualProjection(pooled.rows, towers.user),
  );
  const items =
    towers === undefined ? undefined : normalised(residualProjection(gathered, towers.item));
  const candidateVectors = items?.rows ?? gathered;
  const logits = matmul(users.rows, candidateVectors, { transposeB: true });
  correct(logits, candidates, batch, placeOf, settings);
  const loss = softmaxInPlace(logits, batch, placeOf, settings.temperature);

  // From here `logits` holds the loss's gradient by u'v.
  const vectorGradient = matrix(vectors.rows, vectors.cols);
  let byCandidates = matmul(logits, users.rows, { transposeA: true });
  let byPooled = backwardNormalise(matmul(logits, candidateVectors), users);
  let towerGradients: Towers | undefined;
  if (towers !== undefined && items !== undefined) {
    const byItems = backwardNormalise(byCandidates, items);
    towerGradients = {
      user: matmul(byPooled, pooled.rows, { transposeA: true }),
      item: matmul(byItems, gathered, { transposeA: true }),
    };
    byPooled = residualProjection(byPooled, transpose(towers.user));
    byCandidates = residualProjection(byItems, transpose(towers.item));
  }
  for (const [place, item] of candidates.entries()) {
    rowOf(vectorGradient, item).set(rowOf(byCandidates, place));
  }
  const interestGradients = backwardPooling(
    vectors,
    batch,
    interests,
    pooled,
    byPooled,
    vectorGradient,
  );
  return { loss, vectorGradient, interestGradients, ...(towerGradients && { towerGradients }) };
}

/** Scales to logits, subtracts ln q (the logQ correction) and masks the row's own history. */
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
