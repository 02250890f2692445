/** What the learned model must reach on public data, as means over seeds. */

export interface Goal {
  /** The metric's name in the output of `--json`. */
  readonly metric: string;
  readonly atLeast: number;
  /** What would be better still. */
  readonly aim: number;
}

export const GOALS: readonly Goal[] = [
  { metric: "tiktok-diffmm/full/masked/recall@20", atLeast: 0.1167, aim: 0.125 },
  { metric: "tiktok-diffmm/full/masked/ndcg@20", atLeast: 0.0503, aim: 0.053 },
  { metric: "amazon-scientific/full/unmasked/recall@10", atLeast: 0.13, aim: 0.136 },
  { metric: "amazon-scientific/full/unmasked/ndcg@10", atLeast: 0.0649, aim: 0.0753 },
  { metric: "amazon-scientific/re-ranked/unmasked/recall@10", atLeast: 0.1528, aim: 0.16 },
  { metric: "amazon-scientific/re-ranked/unmasked/ndcg@10", atLeast: 0.1065, aim: 0.112 },
  {
    metric: "amazon-scientific/10% cold, imputed, cold targets/masked/recall@10",
    atLeast: 0.1089,
    aim: 0.12,
  },
];
