/**
 * Softmax over the batch's distinct targets with the logQ correction, as in
 * `training/in-batch-loss.ts`, with one row per place of every sequence: the interest after place t
 * against the product at t + 1.
 */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { gatherRows, rowOf } from "../linear-algebra/rows.js";
import { crossEntropy, logChances } from "../training/in-batch-loss.js";

/** Candidates of the row's own history, other than its target: `negatives` teach repeat suppression
 * (they are always in the batch, so that they have no logQ correction); `masked` do not count. */
type OwnHistory = "negatives" | "masked";

export interface SequenceLossSettings {
  /** tau, above 0. */
  readonly temperature: number;
  /** p by product; they sum to 1. */
  readonly targetShares: Float64Array;
  readonly ownHistory: OwnHistory;
}

export interface LossRows {
  /** By row. */
  readonly targets: Int32Array;
  /** By row: products that the user had before the target. */
  readonly before: readonly Int32Array[];
}

interface SequenceLoss {
  /** Mean over the rows, in nats. */
  readonly loss: number;
  readonly byInterests: Matrix;
  /** The candidates' products and the gradient by their vectors. */
  readonly candidates: Int32Array;
  readonly byCandidates: Matrix;
}

/**
 * The loss over all places and its gradients.
 * @param interests u, one row of length 1 per place
 * @param vectors one row of length 1 per product
 */
export function sequenceLoss(
  interests: Matrix,
  vectors: Matrix,
  rows: LossRows,
  settings: SequenceLossSettings,
): SequenceLoss {
  const own = settings.ownHistory === "negatives" ? rows.before.flatMap((b) => [...b]) : [];
  const candidates = Int32Array.from(new Set([...rows.targets, ...own])).sort();
  const placeOf = new Map(Array.from(candidates, (item, place) => [item, place]));
  const candidateVectors = gatherRows(vectors, candidates);
  const logits = matmul(interests, candidateVectors, { transposeB: true });
  const chances = logChances(candidates, rows.targets.length, settings.targetShares);
  let loss = 0;
  for (const [i, target] of rows.targets.entries()) {
    const row = rowOf(logits, i);
    for (let c = 0; c < row.length; c += 1) {
      row[c] = row[c]! / settings.temperature - chances[c]!;
    }
    applyOwnHistory(row, rows.before[i]!, target, placeOf, chances, settings.ownHistory);
    loss += crossEntropy(row, placeOf.get(target)!, 1 / (logits.rows * settings.temperature));
  }
  return {
    loss: loss / logits.rows,
    byInterests: matmul(logits, candidateVectors),
    candidates,
    byCandidates: matmul(logits, interests, { transposeA: true }),
  };
}

function applyOwnHistory(
  row: Float32Array,
  before: Int32Array,
  target: number,
  placeOf: ReadonlyMap<number, number>,
  chances: Float64Array,
  policy: OwnHistory,
): void {
  for (const item of new Set(before)) {
    const place = placeOf.get(item);
    if (place === undefined || item === target) continue;
    row[place] = policy === "masked" ? -Infinity : row[place]! + chances[place]!;
  }
}
