/** What others published on the same data and split. Never our metrics. */

export interface PublishedTable {
  readonly dataset: string;
  readonly cutoff: number;
  /** How these metrics were measured, as far as the source says. */
  readonly protocol: string;
  readonly source: string;
  readonly rows: readonly PublishedRow[];
}

interface PublishedRow {
  readonly method: string;
  readonly recall: number;
  readonly ndcg: number;
}

const row = (method: string, recall: number, ndcg: number): PublishedRow => ({
  method,
  recall,
  ndcg,
});

export const PUBLISHED: readonly PublishedTable[] = [
  {
    dataset: "tiktok-diffmm",
    cutoff: 20,
    protocol:
      "Full ranking, training products left out. These models also had text features, which this " +
      "copy of the data lacks; DiffMM's code picks its epoch on the test part.",
    source:
      "Jiang et al., DiffMM: Multi-Modal Diffusion Model for Recommendation, ACM MM 2024, table 1",
    rows: [
      row("MF-BPR", 0.0346, 0.013),
      row("VBPR", 0.038, 0.0134),
      row("LightGCN", 0.0653, 0.0282),
      row("MMGCN", 0.073, 0.0307),
      row("LATTICE", 0.0843, 0.0367),
      row("BM3", 0.0957, 0.0404),
      row("DiffMM", 0.1129, 0.0456),
    ],
  },
  {
    dataset: "amazon-scientific",
    cutoff: 10,
    protocol:
      "Leave-one-out, full ranking; nothing is said of the user's own history, so these stand " +
      "beside the unmasked rows.",
    source:
      "Wang et al., MISSRec: Pre-training and Transferring Multi-modal Interest-aware Sequence " +
      "Representation for Recommendation, ACM MM 2023, and UniSRec's figures as quoted there",
    rows: [
      row("UniSRec", 0.1235, 0.0634),
      row("MISSRec, content only", 0.1278, 0.0658),
      row("MISSRec, id and content", 0.136, 0.0753),
    ],
  },
];
