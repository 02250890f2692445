/** How well a method finds the test part: what every table and report is made of. */
import { evaluationCaseOf } from "../dataset/dataset.js";
import type { Prepared } from "../representation/prepare.js";
import { popularityScorer } from "./baselines.js";
import { metricsOf } from "./choose.js";
import type { ScorerFor } from "./choose.js";
import { HISTORY_POLICIES, historyPoliciesOf } from "./history-policies.js";
import type { HistoryPolicyName } from "./history-policies.js";
import type { MetricsAt } from "./metrics.js";

/** One method under one history policy on the test part. */
export interface MethodResult {
  readonly method: string;
  readonly policy: HistoryPolicyName;
  /** One entry per seed; a single one where nothing is random. By cutoff. */
  readonly runs: readonly (readonly MetricsAt[])[];
  /** What was chosen on the validation part, per run. */
  readonly chosen: readonly string[];
  /** What the method does that published models do not, beside its policy. */
  readonly beyondPublished?: string;
}

/** What the result of a re-ranked method must say. */
export const RERANKED =
  "weights fitted on validation targets; own-history handling, which published models lack";

/** @param chosen what was chosen on the validation part */
export function measure(
  { dataset, counts }: Prepared,
  method: string,
  policy: HistoryPolicyName,
  chosen: string,
  scorerFor: ScorerFor,
): MethodResult {
  const evaluationCase = evaluationCaseOf(dataset, "test");
  const metrics = metricsOf(dataset, counts, evaluationCase, scorerFor, HISTORY_POLICIES[policy]);
  return { method, policy, runs: [metrics], chosen: [chosen] };
}

/** Runs of one method under one policy as one result. @param results at least one */
export function mergeRuns(results: readonly MethodResult[]): MethodResult {
  return {
    ...results[0]!,
    runs: results.flatMap(({ runs }) => runs),
    chosen: results.flatMap(({ chosen }) => chosen),
  };
}

/** The order by interactions in training: every other metric is read beside it. */
export function popularityResults(prepared: Prepared): MethodResult[] {
  return historyPoliciesOf(prepared.dataset).map((policy) =>
    measure(prepared, "popularity", policy, "nothing", () => popularityScorer(prepared.counts)),
  );
}
