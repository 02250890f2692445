/**
 * Cross-modal alignment: two modalities of one product are to be nearer than those of two. For each
 * pair of modalities, over the products of a batch that have both, InfoNCE in both directions (van
 * den Oord et al., 2018, formula 4; symmetric as in CLIP, Radford et al., ICML 2021):
 *
 *   l_mn = (CE(softmax_j(h_mi'h_nj / tau), i) + CE(softmax_j(h_ni'h_mj / tau), i)) / 2
 *
 * with h_m of length 1; the loss is the mean over products, then over pairs.
 */
import { transpose } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { matmul } from "../linear-algebra/gemm.js";
import { backwardNormalise, normalised } from "../linear-algebra/normalised.js";
import { addToRows, gatherRows, rowOf } from "../linear-algebra/rows.js";
import type { ItemForward } from "./item-tower.js";

export interface AlignmentSettings {
  /** Weight of this loss beside the other; 0 disables it. */
  readonly weight: number;
  /** tau, above 0. */
  readonly temperature: number;
}

type Part = ItemForward["parts"][number];

/**
 * The loss over a batch's products, and its gradients.
 * @param items numbers of the batch's products, each once
 * @param gradients by part, as `parts`: weight times the loss's gradient by h_m is added
 * @returns the loss, in nats, without its weight; 0 where no two products have a pair
 */
export function alignmentLoss(
  parts: readonly Part[],
  items: readonly number[],
  { weight, temperature }: AlignmentSettings,
  gradients: readonly Matrix[],
): number {
  const pairs = parts.flatMap((_, m) =>
    parts.slice(0, m).flatMap((__, n) => {
      const both = items.filter((i) => parts[m]!.present[i] === 1 && parts[n]!.present[i] === 1);
      return both.length < 2 ? [] : [{ m, n, both }];
    }),
  );
  let loss = 0;
  for (const { m, n, both } of pairs) {
    const a = normalised(gatherRows(parts[m]!.projected, both));
    const b = normalised(gatherRows(parts[n]!.projected, both));
    const logits = matmul(a.rows, b.rows, { transposeB: true });
    const scale = 1 / temperature;
    for (let e = 0; e < logits.data.length; e += 1) logits.data[e]! *= scale;
    loss += crossEntropyInPlace(logits) / pairs.length;
    // From here `logits` holds the gradient by the logits.
    const factor = (weight * scale) / pairs.length;
    const byA = backwardNormalise(matmul(logits, b.rows), a);
    const byB = backwardNormalise(matmul(logits, a.rows, { transposeA: true }), b);
    addToRows(gradients[m]!, both, byA, factor);
    addToRows(gradients[n]!, both, byB, factor);
  }
  return loss;
}

/** Mean cross-entropy of the diagonal by rows and by columns, halved; leaves its gradient. */
function crossEntropyInPlace(logits: Matrix): number {
  const n = logits.rows;
  const byRow = logSums(logits);
  const byColumn = logSums(transpose(logits));
  let loss = 0;
  for (let i = 0; i < n; i += 1) {
    const row = rowOf(logits, i);
    loss += (byRow[i]! + byColumn[i]! - 2 * row[i]!) / (2 * n);
    for (let j = 0; j < n; j += 1) {
      const share = Math.exp(row[j]! - byRow[i]!) + Math.exp(row[j]! - byColumn[j]!);
      row[j] = (share - (i === j ? 2 : 0)) / (2 * n);
    }
  }
  return loss;
}

/** ln sum_j exp(l_ij) by row. */
function logSums(logits: Matrix): Float64Array {
  return Float64Array.from({ length: logits.rows }, (_, i) => {
    const line = rowOf(logits, i);
    const largest = line.reduce((a, b) => Math.max(a, b), -Infinity);
    return largest + Math.log(line.reduce((sum, x) => sum + Math.exp(x - largest), 0));
  });
}
