/** Methods that rank by one vector per product and one pooled vector per user. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { besideRows, normaliseRows } from "../linear-algebra/rows.js";
import type { LearnedFusion } from "../learn/learn-fusion.js";
import { closedCollaborative, closedForm } from "../learn/learn-vectors.js";
import type { Prepared } from "../representation/prepare.js";
import {
  HISTORY_POLICIES,
  historyPoliciesOf,
  plainHistoryPoliciesOf,
} from "../scoring/history-policies.js";
import type { HistoryPolicyName } from "../scoring/history-policies.js";
import { measure, mergeRuns } from "../scoring/method-result.js";
import type { MethodResult } from "../scoring/method-result.js";
import { chooseRanking } from "../learn/choose-ranking.js";
import { rankingOf, usersOf } from "../scoring/ranking.js";
import type { LearnedUsers, RankingSettings } from "../scoring/ranking.js";

/** Every content modality beside the others, without training. */
export function contentResults(prepared: Prepared): Iterable<MethodResult> {
  const content = normaliseRows(besideRows(...Object.values(prepared.content)));
  return plainResults(prepared, "content only", [content]);
}

/** By interactions alone, in closed form. */
export function collaborativeResults(prepared: Prepared): Iterable<MethodResult> {
  return plainResults(prepared, "behaviour only", [closedCollaborative(prepared)]);
}

/** Fusion by concatenation: content and collaborative in closed form, nothing trained. */
export function concatenationResults(prepared: Prepared): Iterable<MethodResult> {
  return plainResults(prepared, "concatenation", [closedForm(prepared)]);
}

/** One fusion model alone, by weights that are fixed or learned. */
export function fusionResults(
  prepared: Prepared,
  method: string,
  runs: readonly LearnedFusion[],
): Iterable<MethodResult> {
  const vectors = runs.map((run) => run.vectors);
  const users = runs.map(({ shape, parameters }) => usersOf(shape, parameters));
  return plainResults(prepared, method, vectors, { users });
}

/** The learned model, one run per seed; with mean pooling beside it where histories are ordered. */
export function* learnedResults(
  prepared: Prepared,
  runs: readonly Matrix[],
): Generator<MethodResult> {
  const { dataset } = prepared;
  for (const policy of historyPoliciesOf(dataset)) {
    if (dataset.ordered) {
      yield vectorResult(prepared, "full, mean pooling", policy, runs, { decay: 1 });
    }
    yield vectorResult(prepared, "full", policy, runs);
  }
}

interface VectorOptions {
  /** Default: chosen on the validation part. */
  readonly decay?: number;
  /** One per run. Default: users are pooled by recency alone. */
  readonly users?: readonly LearnedUsers[];
}

function* plainResults(
  prepared: Prepared,
  method: string,
  runs: readonly Matrix[],
  options: VectorOptions = {},
): Generator<MethodResult> {
  for (const policy of plainHistoryPoliciesOf(prepared.dataset)) {
    yield vectorResult(prepared, method, policy, runs, options);
  }
}

function vectorResult(
  prepared: Prepared,
  method: string,
  policy: HistoryPolicyName,
  runs: readonly Matrix[],
  { decay, users }: VectorOptions = {},
): MethodResult {
  const results = runs.map((vectors, i) => {
    const learned = users?.[i];
    const chosen = chooseRanking(prepared, vectors, HISTORY_POLICIES[policy], decay, learned);
    const scorerFor = rankingOf(prepared, vectors, learned)(chosen);
    return measure(prepared, method, policy, settingsText(chosen), scorerFor);
  });
  return mergeRuns(results);
}

/** As reports print what was chosen. */
export function settingsText({ decay, popularity }: RankingSettings): string {
  return `decay ${decay}, popularity ${popularity}`;
}
