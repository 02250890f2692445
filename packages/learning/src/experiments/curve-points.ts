/** Points of curves from runs of several seeds. */
import { evaluationCaseOf } from "../dataset/dataset.js";
import type { EvaluationCase } from "../dataset/dataset.js";
import { metricsOf, mainCutoff } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import type { CurvePoint } from "./curve.js";
import { deviationOf, meanOf } from "../scoring/statistics.js";
import type { MetricsAt } from "../scoring/metrics.js";
import type { HistoryPolicy } from "../scoring/top-lists.js";
import type { Prepared } from "../representation/prepare.js";

/** Curves leave the user's own history out: as a shop does. */
export const CURVE_POLICY: HistoryPolicy = { masked: true };

/** Metrics at the dataset's cutoff for an evaluation case of the test part. */
export function metricsFor(
  { dataset, counts }: Prepared,
  scorerFor: ScorerFor,
  evaluationCase: EvaluationCase = evaluationCaseOf(dataset, "test"),
): MetricsAt {
  const k = mainCutoff(dataset);
  const metrics = metricsOf(dataset, counts, evaluationCase, scorerFor, CURVE_POLICY);
  return metrics.find((at) => at.k === k)!;
}

/** Means over the seeds' metrics; the standard error is that over users. */
export function pointOf(runs: readonly MetricsAt[]): CurvePoint {
  const mean = (metric: "recall" | "ndcg") => ({
    value: meanOf(runs.map((run) => run[metric].value)).value,
    standardError: meanOf(runs.map((run) => run[metric].standardError)).value,
  });
  return {
    recall: mean("recall"),
    ndcg: mean("ndcg"),
    seeds: runs.length,
    seedDeviation: deviationOf(runs.map((run) => run.recall.value)),
  };
}
