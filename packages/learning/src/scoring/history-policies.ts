/** What is done with products of a user's own history, by the names that reports use. */
import type { Dataset } from "../dataset/dataset.js";
import type { HistoryPolicy } from "./top-lists.js";

/** `masked`: never shown; `unmasked`: as published sequential tables are, presumably; `own-penalty`:
 * a constant is subtracted from their scores, which published models do not do. */
export type HistoryPolicyName = "masked" | "unmasked" | "own-penalty";

export const HISTORY_POLICIES: Readonly<Record<HistoryPolicyName, HistoryPolicy>> = {
  masked: { masked: true },
  unmasked: { masked: false },
  "own-penalty": { masked: false, penalty: 0.4 },
};

/** By which methods are measured on the data; the first is the one that settings are chosen by. */
export function historyPoliciesOf({
  ordered,
}: Pick<Dataset, "ordered">): readonly HistoryPolicyName[] {
  return ordered ? ["unmasked", "masked", "own-penalty"] : ["masked"];
}

/** Without the penalty, which only served answers have. */
export function plainHistoryPoliciesOf(
  dataset: Pick<Dataset, "ordered">,
): readonly HistoryPolicyName[] {
  return historyPoliciesOf(dataset).filter((policy) => policy !== "own-penalty");
}
