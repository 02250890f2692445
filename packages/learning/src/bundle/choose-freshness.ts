/** What newness is worth, by the validation part. */
import type { Bundle } from "@marquetry/model/bundle";
import { evaluationCaseOf } from "../dataset/dataset.js";
import { evaluatedAt } from "../scoring/evaluated-at.js";
import { choose } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import { HISTORY_POLICIES, historyPoliciesOf } from "../scoring/history-policies.js";
import type { Prepared } from "../representation/prepare.js";
import type { BundleFolder } from "./bundle-folder.js";
import { exportedBundle } from "./exported.js";
import { servedScorer } from "./served.js";

interface FreshnessSettings {
  /** w_f of the score. */
  readonly weight: number;
  readonly halfLifeMs: number;
}

const DAY_MS = 86_400_000;
const WEIGHTS = [0, 0.02, 0.05, 0.1, 0.2];
const HALF_LIVES_MS = [30 * DAY_MS, 7 * DAY_MS, 90 * DAY_MS];

/**
 * By the bundle's own ranking: the weight at the first half-life, then the half-life. Without
 * freshness first, so that it has no weight where it does not help.
 * @param folder with a weight of 0
 * @returns undefined where the data have no dates
 */
export async function chooseFreshness(
  prepared: Prepared,
  folder: BundleFolder,
): Promise<FreshnessSettings | undefined> {
  const { dataset, features, counts } = prepared;
  if (dataset.dates === undefined) return undefined;
  const times = evaluatedAt(dataset.dates, "valid");
  const { histories } = evaluationCaseOf(dataset, "valid");
  const exported = await exportedBundle(folder, features, counts.length, histories);
  const policy = HISTORY_POLICIES[historyPoliciesOf(dataset)[0]!];
  const best = (candidates: readonly FreshnessSettings[]): FreshnessSettings => {
    const scorerFor = (freshness: FreshnessSettings): ScorerFor => {
      const served = { ...exported.folder, bundle: withFreshness(folder.bundle, freshness) };
      return servedScorer(served, features, counts, { ...exported, times });
    };
    return choose(dataset, counts, candidates, scorerFor, policy).settings;
  };
  const { weight } = best(WEIGHTS.map((each) => ({ weight: each, halfLifeMs: HALF_LIVES_MS[0]! })));
  if (weight === 0) return { weight, halfLifeMs: folder.bundle.ranking.freshnessHalfLifeMs };
  return best(HALF_LIVES_MS.map((halfLifeMs) => ({ weight, halfLifeMs })));
}

export function withFreshness(bundle: Bundle, { weight, halfLifeMs }: FreshnessSettings): Bundle {
  const weights = { ...bundle.ranking.weights, freshness: weight };
  return { ...bundle, ranking: { ...bundle.ranking, weights, freshnessHalfLifeMs: halfLifeMs } };
}
