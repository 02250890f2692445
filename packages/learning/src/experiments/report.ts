/** Metrics by name, and the table that `evaluate` prints. */
import type { TrainingRecord } from "@marquetry/model/bundle";
import type { Curve } from "./curves.js";
import { deviationOf, meanOf } from "../scoring/metrics.js";
import type { MetricsAt } from "../scoring/metrics.js";
import type { Goal } from "../report/goals.js";

/** One method under one rule on the test part. */
export interface Row {
  readonly method: string;
  readonly rule: HistoryPolicyName;
  /** One entry per seed; one where there is nothing random. */
  readonly runs: readonly (readonly MetricsAt[])[];
  /** What was chosen on the validation part, per run. */
  readonly chosen: readonly string[];
  /** What this row does that published models do not, beside its rule. */
  readonly beyondPublished?: string;
}

/** `masked`: own history left out; `unmasked`: as published sequential tables are, presumably;
 * `own-penalty`: own products pushed down by a constant, which published models do not do. */
export type HistoryPolicyName = "masked" | "unmasked" | "own-penalty";

/** One metric with all that must stand beside it. */
export interface NamedMetric {
  readonly name: string;
  readonly value: number;
  readonly unit: "share" | "bit";
  readonly goal: number | null;
  readonly holds: boolean | null;
  readonly context: {
    readonly part: "test";
    readonly seeds: number;
    readonly seedDeviation: number;
    /** Over users. */
    readonly standardError: number | null;
    readonly chosenOnValidation: readonly string[];
  };
}

const METRICS = ["recall", "ndcg", "coverage", "gini", "novelty"] as const;

export function rowMetrics(dataset: string, row: Row, goals: readonly Goal[]): NamedMetric[] {
  return row.runs[0]!.flatMap(({ k }, at) =>
    METRICS.map((metric) => {
      const values = row.runs.map((run) => valueOf(run[at]!, metric));
      const name = `${dataset}/${row.method}/${row.rule}/${metric}@${k}`;
      return against(goals, name, meanOf(values).value, metric === "novelty" ? "bit" : "share", {
        part: "test",
        seeds: values.length,
        seedDeviation: deviationOf(values),
        standardError: meanErrorOf(row, at, metric),
        chosenOnValidation: row.chosen,
      });
    }),
  );
}

export function curveMetrics(dataset: string, curve: Curve, goals: readonly Goal[]): NamedMetric[] {
  const ofRows = (curve.rows ?? []).flatMap((row) => rowMetrics(dataset, row, goals));
  const ofPoints = curve.series.flatMap(({ name: series, points }) =>
    points.flatMap((point, i) => {
      if (point === undefined) return [];
      const { recall, ndcg, seeds, seedDeviation } = point;
      return Object.entries({ recall, ...(ndcg && { ndcg }) }).map(([metric, mean]) =>
        against(
          goals,
          `${dataset}/${curve.name}/${series}/${curve.xs[i]}/${metric}@${curve.k}`,
          mean.value,
          "share",
          {
            part: "test",
            seeds,
            seedDeviation: metric === "recall" ? seedDeviation : 0,
            standardError: mean.standardError,
            chosenOnValidation: [curve.protocol],
          },
        ),
      );
    }),
  );
  return [...ofPoints, ...ofRows];
}

function against(
  goals: readonly Goal[],
  name: string,
  value: number,
  unit: NamedMetric["unit"],
  context: NamedMetric["context"],
): NamedMetric {
  const goal = goals.find(({ metric }) => metric === name)?.atLeast;
  const holds = goal === undefined ? null : value >= goal;
  return { name, value, unit, goal: goal ?? null, holds, context };
}

/**
 * Recall and NDCG of a bundle beside those of popularity, by history policy and metric.
 * @param bundle one run for each rule
 * @param popularity one run for each rule of the bundle
 */
export function bundleMetrics(
  bundle: readonly Row[],
  popularity: readonly Row[],
): TrainingRecord["metrics"] {
  const metrics: Record<string, TrainingRecord["metrics"][string]> = {};
  for (const { rule, runs } of bundle) {
    const [beside] = popularity.find((row) => row.rule === rule)!.runs;
    for (const [at, { k, recall, ndcg }] of runs[0]!.entries()) {
      const other = beside![at]!;
      metrics[`${rule}/recall@${k}`] = { bundle: recall.value, popularity: other.recall.value };
      metrics[`${rule}/ndcg@${k}`] = { bundle: ndcg.value, popularity: other.ndcg.value };
    }
  }
  return metrics;
}

/** Markdown of one table for each rule. */
export function rowTables(rows: readonly Row[], mainCutoff: number): string[] {
  const rules = [...new Set(rows.map(({ rule }) => rule))];
  return rules.flatMap((rule) => {
    const own = rows.filter((row) => row.rule === rule);
    return [`### ${TITLES[rule]}`, "", rowTable(own, mainCutoff), ""];
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
export function rowTable(rows: readonly Row[], mainCutoff: number): string {
  const cutoffs = rows[0]?.runs[0]?.map(({ k }) => k) ?? [];
  const main = Math.max(0, cutoffs.indexOf(mainCutoff));
  const head = [
    "method",
    ...cutoffs.flatMap((k) => [`R@${k}`, `N@${k}`]),
    ...["coverage", "Gini", "novelty"].map((metric) => `${metric}@${cutoffs[main]}`),
    "seeds",
    "chosen on validation",
  ];
  const lines = rows.map((row) => [
    row.beyondPublished === undefined ? row.method : `${row.method} *(${row.beyondPublished})*`,
    ...cutoffs.flatMap((_, at) => [cell(row, at, "recall"), cell(row, at, "ndcg")]),
    ...(["coverage", "gini", "novelty"] as const).map((metric) =>
      meanOf(row.runs.map((run) => run[main]![metric])).value.toFixed(metric === "novelty" ? 1 : 2),
    ),
    String(row.runs.length),
    [...new Set(row.chosen)].join("; "),
  ]);
  return markdownTable(head, lines);
}

export function markdownTable(head: readonly string[], lines: readonly (readonly string[])[]) {
  return [head, head.map(() => "---"), ...lines]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** `.1167 ± .0040`, with leading zeros dropped as published tables do. */
export function withError(value: number, standardError: number): string {
  return `${decimals(value)} ± ${decimals(standardError)}`;
}

export function decimals(value: number): string {
  return value.toFixed(4).replace(/^(-?)0\./, "$1.");
}

function cell(row: Row, at: number, metric: "recall" | "ndcg"): string {
  const values = row.runs.map((run) => run[at]![metric].value);
  const shown = withError(meanOf(values).value, meanErrorOf(row, at, metric)!);
  return values.length === 1 ? shown : `${shown} (${decimals(deviationOf(values))})`;
}

/** Mean over runs of the standard error over users; users are the same in every run, so that more
 * runs do not make it smaller. */
function meanErrorOf(row: Row, at: number, metric: (typeof METRICS)[number]): number | null {
  if (metric !== "recall" && metric !== "ndcg") return null;
  return meanOf(row.runs.map((run) => run[at]![metric].standardError)).value;
}

function valueOf(at: MetricsAt, metric: (typeof METRICS)[number]): number {
  return metric === "recall" || metric === "ndcg" ? at[metric].value : at[metric];
}
