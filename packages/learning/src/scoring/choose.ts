/** Choosing on the validation part, and measuring what was chosen on the test part. */
import { questionOf } from "../dataset/dataset.js";
import type { Dataset, Question } from "../dataset/dataset.js";
import { CUTOFFS, figuresAt } from "./metrics.js";
import type { FiguresAt } from "./metrics.js";
import { topLists } from "./top-lists.js";
import type { RankingRules, Scorer } from "./top-lists.js";

/** A scorer for the given histories and, where they are known, the actions of each of their places. */
export type ScorerFor = (
  histories: readonly Int32Array[],
  actions?: readonly Int32Array[],
) => Scorer;

export interface Chosen<Settings> {
  readonly settings: Settings;
  /** NDCG at the dataset's cutoff. */
  readonly validNdcg: number;
}

/** The cutoff by which published tables of the two kinds of data go. */
export function mainCutoff({ ordered }: Pick<Dataset, "ordered">): number {
  return ordered ? 10 : 20;
}

export function figuresOf(
  dataset: Dataset,
  counts: Float64Array,
  question: Question,
  scorerFor: ScorerFor,
  rules: RankingRules,
): readonly FiguresAt[] {
  const lists = topLists(question, scorerFor(question.histories, question.actions), rules);
  return CUTOFFS.map((k) =>
    figuresAt(k, lists, question.targets, counts, dataset.splits.train.length),
  );
}

/** The candidate with the best NDCG on the validation part; the first of equals. */
export function choose<Settings>(
  dataset: Dataset,
  counts: Float64Array,
  candidates: readonly Settings[],
  scorerFor: (settings: Settings) => ScorerFor,
  rules: RankingRules,
): Chosen<Settings> {
  const question = questionOf(dataset, "valid");
  const k = mainCutoff(dataset);
  let chosen: Chosen<Settings> | undefined;
  for (const settings of candidates) {
    const figures = figuresOf(dataset, counts, question, scorerFor(settings), rules);
    const validNdcg = figures.find((at) => at.k === k)!.ndcg.value;
    if (chosen === undefined || validNdcg > chosen.validNdcg) chosen = { settings, validNdcg };
  }
  if (chosen === undefined) throw new RangeError("choose: no candidates");
  return chosen;
}
