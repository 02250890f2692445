/** How well a bundle finds the test part. */
import { evaluationCaseOf } from "../dataset/dataset.js";
import type { Prepared } from "../representation/prepare.js";
import { evaluatedAt } from "../scoring/evaluated-at.js";
import { historyPoliciesOf } from "../scoring/history-policies.js";
import { measure, RERANKED } from "../scoring/method-result.js";
import type { MethodResult } from "../scoring/method-result.js";
import type { BundleFolder } from "./bundle-folder.js";
import { exportedBundle } from "./exported.js";
import { servedScorer } from "./served.js";

/**
 * The bundle as services would use it once it is exported: collaborative vectors of cold products
 * imputed, products fused and histories pooled as user-profile does, scores composed with its own
 * weights. Nothing is chosen here.
 * @param method name of the results
 */
export async function bundleResults(
  prepared: Prepared,
  folder: BundleFolder,
  method = folder.bundle.id,
): Promise<MethodResult[]> {
  const { dataset, features, counts } = prepared;
  const { histories } = evaluationCaseOf(dataset, "test");
  const times = dataset.dates && evaluatedAt(dataset.dates, "test");
  const exported = await exportedBundle(folder, features, counts.length, histories);
  const scorerFor = servedScorer(exported.folder, features, counts, { ...exported, times });
  const label = folder.bundle.reranker === undefined ? {} : { beyondPublished: RERANKED };
  return historyPoliciesOf(dataset).map((policy) =>
    Object.assign(measure(prepared, method, policy, "as in the bundle", scorerFor), label),
  );
}
