/** Choosing on the validation part, and measuring what was chosen on the test part. */
import { evaluationCaseOf } from "../dataset/dataset.js";
import type { Dataset, EvaluationCase } from "../dataset/dataset.js";
import { CUTOFFS, metricsAt } from "./metrics.js";
import type { MetricsAt } from "./metrics.js";
import { topLists } from "./top-lists.js";
import type { HistoryPolicy, Scorer } from "./top-lists.js";

/**
 * A scorer for histories by user.
 * @param actions the action of each of their places. Default: none are known.
 */
export type ScorerFor = (
  histories: readonly Int32Array[],
  actions?: readonly Int32Array[],
) => Scorer;

export interface Chosen<Settings> {
  readonly settings: Settings;
  /** NDCG at the dataset's cutoff. */
  readonly validNdcg: number;
}

/** The cutoff of published tables: 10 for ordered data, 20 for sets. */
export function mainCutoff({ ordered }: Pick<Dataset, "ordered">): number {
  return ordered ? 10 : 20;
}

/**
 * The metrics at each of `CUTOFFS`.
 * @param counts by product, interactions in training
 */
export function metricsOf(
  dataset: Dataset,
  counts: Float64Array,
  evaluationCase: EvaluationCase,
  scorerFor: ScorerFor,
  policy: HistoryPolicy,
): readonly MetricsAt[] {
  const lists = topLists(
    evaluationCase,
    scorerFor(evaluationCase.histories, evaluationCase.actions),
    policy,
  );
  return CUTOFFS.map((k) =>
    metricsAt(k, lists, evaluationCase.targets, counts, dataset.splits.train.length),
  );
}

/**
 * The candidate with the best NDCG on the validation part; the first of equals.
 * @param candidates at least one
 * @throws RangeError without candidates
 */
export function choose<Settings>(
  dataset: Dataset,
  counts: Float64Array,
  candidates: readonly Settings[],
  scorerFor: (settings: Settings) => ScorerFor,
  policy: HistoryPolicy,
): Chosen<Settings> {
  const evaluationCase = evaluationCaseOf(dataset, "valid");
  const k = mainCutoff(dataset);
  let chosen: Chosen<Settings> | undefined;
  for (const settings of candidates) {
    const metrics = metricsOf(dataset, counts, evaluationCase, scorerFor(settings), policy);
    const validNdcg = metrics.find((at) => at.k === k)!.ndcg.value;
    if (chosen === undefined || validNdcg > chosen.validNdcg) chosen = { settings, validNdcg };
  }
  if (chosen === undefined) throw new RangeError("choose: no candidates");
  return chosen;
}
