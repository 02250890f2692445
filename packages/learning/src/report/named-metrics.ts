/** Metrics by name, as `evaluate --json` prints them. */
import type { Curve } from "../experiments/curve.js";
import type { MethodResult } from "../scoring/method-result.js";
import { deviationOf, meanOf } from "../scoring/statistics.js";
import type { MetricsAt } from "../scoring/metrics.js";
import { GOALS } from "./goals.js";
import type { Goal } from "./goals.js";

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
type MetricName = (typeof METRICS)[number];

export function methodMetrics(
  dataset: string,
  result: MethodResult,
  goals: readonly Goal[] = GOALS,
): NamedMetric[] {
  const { method, policy, runs, chosen } = result;
  return runs[0]!.flatMap(({ k }, at) =>
    METRICS.map((metric) => {
      const values = runs.map((run) => valueOf(run[at]!, metric));
      const name = `${dataset}/${method}/${policy}/${metric}@${k}`;
      return against(goals, name, meanOf(values).value, metric === "novelty" ? "bit" : "share", {
        part: "test",
        seeds: values.length,
        seedDeviation: deviationOf(values),
        standardError: hasError(metric) ? meanErrorOf(result, at, metric) : null,
        chosenOnValidation: chosen,
      });
    }),
  );
}

export function curveMetrics(
  dataset: string,
  curve: Curve,
  goals: readonly Goal[] = GOALS,
): NamedMetric[] {
  const ofResults = (curve.results ?? []).flatMap((each) => methodMetrics(dataset, each, goals));
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
  return [...ofPoints, ...ofResults];
}

/**
 * Mean over runs of the standard error over users; users are the same in every run, so that more
 * runs do not make it smaller.
 * @param at place of the cutoff
 */
export function meanErrorOf({ runs }: MethodResult, at: number, metric: "recall" | "ndcg"): number {
  return meanOf(runs.map((run) => run[at]![metric].standardError)).value;
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

function hasError(metric: MetricName): metric is "recall" | "ndcg" {
  return metric === "recall" || metric === "ndcg";
}

function valueOf(at: MetricsAt, metric: MetricName): number {
  return hasError(metric) ? at[metric].value : at[metric];
}
