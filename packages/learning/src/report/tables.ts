/** The tables that commands print and reports have, in Markdown. */
import type { Dataset } from "../dataset/dataset.js";
import { mainCutoff } from "../scoring/choose.js";
import type { HistoryPolicyName } from "../scoring/history-policies.js";
import type { MethodResult } from "../scoring/method-result.js";
import { deviationOf, meanOf } from "../scoring/statistics.js";
import { meanErrorOf } from "./named-metrics.js";

/** One table for each history policy, line by line. */
export function methodTables(
  results: readonly MethodResult[],
  dataset: Pick<Dataset, "ordered">,
): string[] {
  const policies = [...new Set(results.map(({ policy }) => policy))];
  return policies.flatMap((policy) => {
    const own = results.filter((result) => result.policy === policy);
    return [`### ${TITLES[policy]}`, "", methodTable(own, mainCutoff(dataset)), ""];
  });
}

const TITLES: Readonly<Record<HistoryPolicyName, string>> = {
  masked: "Masked: the user's own history is left out",
  unmasked: "Unmasked: the user's own history competes",
  "own-penalty": "Own history pushed down by a constant (a rule that published models lack)",
};

/**
 * Each metric with its standard error over users and, over several seeds, in brackets their
 * standard deviation.
 */
function methodTable(results: readonly MethodResult[], cutoff: number): string {
  const cutoffs = results[0]?.runs[0]?.map(({ k }) => k) ?? [];
  const main = Math.max(0, cutoffs.indexOf(cutoff));
  const head = [
    "method",
    ...cutoffs.flatMap((k) => [`R@${k}`, `N@${k}`]),
    ...["coverage", "Gini", "novelty"].map((metric) => `${metric}@${cutoffs[main]}`),
    "seeds",
    "chosen on validation",
  ];
  const lines = results.map((result) => [
    labelOf(result),
    ...cutoffs.flatMap((_, at) => [cell(result, at, "recall"), cell(result, at, "ndcg")]),
    ...(["coverage", "gini", "novelty"] as const).map((metric) =>
      meanOf(result.runs.map((run) => run[main]![metric])).value.toFixed(
        metric === "novelty" ? 1 : 2,
      ),
    ),
    String(result.runs.length),
    [...new Set(result.chosen)].join("; "),
  ]);
  return markdownTable(head, lines);
}

export function markdownTable(
  head: readonly string[],
  lines: readonly (readonly string[])[],
): string {
  return [head, head.map(() => "---"), ...lines]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** `.1167 ± .0040`, without leading zeros, as published tables print. */
export function withError(value: number, standardError: number): string {
  return `${decimals(value)} ± ${decimals(standardError)}`;
}

export function decimals(value: number): string {
  return value.toFixed(4).replace(/^(-?)0\./, "$1.");
}

function labelOf({ method, beyondPublished }: MethodResult): string {
  return beyondPublished === undefined ? method : `${method} *(${beyondPublished})*`;
}

function cell(result: MethodResult, at: number, metric: "recall" | "ndcg"): string {
  const values = result.runs.map((run) => run[at]![metric].value);
  const shown = withError(meanOf(values).value, meanErrorOf(result, at, metric));
  return values.length === 1 ? shown : `${shown} (${decimals(deviationOf(values))})`;
}
