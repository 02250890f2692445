/** How well cold products are found, by the ways in which they get a vector. */
import { learnVectors } from "../learn/learn-vectors.js";
import type { Prepared } from "../representation/prepare.js";
import { HISTORY_POLICIES, plainHistoryPoliciesOf } from "../scoring/history-policies.js";
import { mergeRuns } from "../scoring/method-result.js";
import type { MethodResult } from "../scoring/method-result.js";
import { chooseRanking } from "../learn/choose-ranking.js";
import { coldProductMetrics, withColdProducts } from "./cold-products.js";
import { settingsText } from "./vector-methods.js";

/**
 * Two results per method and policy, over the users whose target is cold and over all. Each seed has
 * its own cold products and its own training.
 * @param share of the products that are cold
 */
export async function coldResults(
  prepared: Prepared,
  share: number,
  seeds: number,
  report: (line: string) => void,
): Promise<MethodResult[]> {
  const runs: MethodResult[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    runs.push(...(await coldRun(prepared, share, seed, report)));
  }
  const byName = Map.groupBy(runs, ({ method, policy }) => `${method} ${policy}`);
  return [...byName.values()].map(mergeRuns);
}

async function coldRun(
  prepared: Prepared,
  share: number,
  seed: number,
  report: (line: string) => void,
): Promise<MethodResult[]> {
  const coldProducts = withColdProducts(prepared, share, seed);
  const vectors = await learnVectors(coldProducts.prepared, { seed, report });
  const results: MethodResult[] = [];
  for (const policy of plainHistoryPoliciesOf(prepared.dataset)) {
    const historyPolicy = HISTORY_POLICIES[policy];
    const ranking = chooseRanking(coldProducts.prepared, vectors, historyPolicy);
    const metrics = await coldProductMetrics(coldProducts, vectors, ranking, historyPolicy);
    const chosen = [settingsText(ranking)];
    for (const { method, cold, overall } of metrics) {
      const name = `${100 * share}% cold, ${method}`;
      results.push(
        { method: `${name}, cold targets`, policy, runs: [cold], chosen },
        { method: `${name}, all targets`, policy, runs: [overall], chosen },
      );
    }
  }
  return results;
}
