/** What the learned model must reach on public data, as means over seeds. */

export interface Goal {
  /** The figure's name in the output of `--json`. */
  readonly figure: string;
  readonly atLeast: number;
  /** What would be better still. */
  readonly aim: number;
}

export const GOALS: readonly Goal[] = [
  { figure: "tiktok-diffmm/full/masked/recall@20", atLeast: 0.1167, aim: 0.125 },
  { figure: "tiktok-diffmm/full/masked/ndcg@20", atLeast: 0.0503, aim: 0.053 },
  { figure: "amazon-scientific/full/unmasked/recall@10", atLeast: 0.13, aim: 0.136 },
  { figure: "amazon-scientific/full/unmasked/ndcg@10", atLeast: 0.0649, aim: 0.0753 },
  { figure: "amazon-scientific/re-ranked/unmasked/recall@10", atLeast: 0.1528, aim: 0.16 },
  { figure: "amazon-scientific/re-ranked/unmasked/ndcg@10", atLeast: 0.1065, aim: 0.112 },
  {
    figure: "amazon-scientific/10% cold, imputed, cold targets/masked/recall@10",
    atLeast: 0.1089,
    aim: 0.12,
  },
];
