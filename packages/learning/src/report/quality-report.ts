/** The report that `evaluate --report` writes: Markdown and a plot for each curve. */
import type { ExperimentContext } from "../experiments/context.js";
import type { Curve, CurvePoint } from "../experiments/curve.js";
import type { ExperimentResults } from "../experiments/run-experiments.js";
import type { MethodResult } from "../scoring/method-result.js";
import { GOALS } from "./goals.js";
import type { Goal } from "./goals.js";
import { linePlotSvg } from "./line-plot.js";
import { curveMetrics, methodMetrics } from "./named-metrics.js";
import type { NamedMetric } from "./named-metrics.js";
import { PUBLISHED } from "./published.js";
import type { PublishedTable } from "./published.js";
import { costLines, dataLines, protocolLines } from "./settings.js";
import { decimals, markdownTable, methodTables, withError } from "./tables.js";

interface QualityReport {
  readonly dataset: string;
  /** Of the data: whether histories are in order of time. */
  readonly ordered: boolean;
  /** As it was typed. */
  readonly command: string;
  /** One line each: what the data are. */
  readonly data: readonly string[];
  readonly protocol: readonly string[];
  readonly methods: readonly MethodResult[];
  readonly curves: readonly Curve[];
  readonly metrics: readonly NamedMetric[];
  readonly goals: readonly Goal[];
  /** Time and machine, one line each. */
  readonly cost: readonly string[];
}

export function qualityReport(
  command: string,
  context: ExperimentContext,
  { methods, curves }: ExperimentResults,
): QualityReport {
  const { prepared } = context;
  const { name, ordered } = prepared.dataset;
  return {
    dataset: name,
    ordered,
    command,
    data: dataLines(prepared),
    protocol: protocolLines(prepared),
    methods,
    curves,
    metrics: [
      ...methods.flatMap((result) => methodMetrics(name, result)),
      ...curves.flatMap((curve) => curveMetrics(name, curve)),
    ],
    goals: GOALS,
    cost: costLines(context),
  };
}

/** File names and contents. */
export function qualityReportFiles(report: QualityReport): Map<string, string> {
  const { dataset, curves } = report;
  const files = new Map([[`${dataset}.md`, document(report)]]);
  for (const curve of curves) files.set(plotName(dataset, curve), plotOf(curve));
  return files;
}

function document(report: QualityReport): string {
  const { dataset, command, data, protocol, methods, curves, cost } = report;
  const published = PUBLISHED.filter((table) => table.dataset === dataset);
  return [
    `# Quality on ${dataset}`,
    "",
    "Written by",
    "```",
    command,
    "```",
    "and not by hand. All metrics are of the test part; whatever was chosen was chosen on the " +
      "validation part and stands in the last column. `±` is the standard error over users, the " +
      "bracket the standard deviation over seeds (1, 2, ...) where there are several; with them " +
      "the value is their mean. " +
      "Coverage is the share of all products on any list, Gini how unequally products are shown " +
      "(0 alike, near 1 a few take all), novelty the mean of -log2 of the share of users who had " +
      "a shown product.",
    "",
    ...section("Data", data.map((line) => `- ${line}`).join("\n")),
    ...section("Protocol", protocol.map((line) => `- ${line}`).join("\n")),
    ...section("Goals", goalTable(report)),
    "## Methods",
    "",
    ...methodTables(methods, report),
    ...(published.length === 0 ? [] : ["## Published by others", ""]),
    ...published.flatMap((table) => [publishedTable(table), ""]),
    ...curves.flatMap((curve) => curveSection(dataset, curve)),
    ...section("Cost", cost.map((line) => `- ${line}`).join("\n")),
  ].join("\n");
}

function section(title: string, content: string): string[] {
  return content === "" ? [] : [`## ${title}`, "", content, ""];
}

function goalTable({ dataset, goals, metrics }: QualityReport): string {
  const own = goals.filter(({ metric }) => metric.startsWith(`${dataset}/`));
  if (own.length === 0) return "";
  const lines = own.map(({ metric: name, atLeast, aim }) => {
    const metric = metrics.find((each) => each.name === name);
    const measured = metric === undefined ? "not measured" : decimals(metric.value);
    const verdict =
      metric === undefined
        ? "-"
        : metric.value >= aim
          ? "reached, also the aim"
          : metric.value >= atLeast
            ? "reached"
            : "missed";
    const seeds = metric === undefined ? "-" : String(metric.context.seeds);
    return [
      name.slice(dataset.length + 1),
      measured,
      decimals(atLeast),
      decimals(aim),
      verdict,
      seeds,
    ];
  });
  return markdownTable(["metric", "measured", "at least", "aim", "verdict", "seeds"], lines);
}

function publishedTable({ cutoff, protocol, source, rows }: PublishedTable): string {
  const lines = rows.map(({ method, recall, ndcg }) => [method, decimals(recall), decimals(ndcg)]);
  const table = markdownTable(["method", `R@${cutoff}`, `N@${cutoff}`], lines);
  return `${table}\n\nSource: ${source}. ${protocol}`;
}

function curveSection(dataset: string, curve: Curve): string[] {
  const { title, protocol, series, xs, xLabel, k, verdict } = curve;
  const lines = xs.map((x, i) =>
    [String(x)].concat(series.map(({ points }) => pointCell(points[i]))),
  );
  return [
    `## ${title}`,
    "",
    protocol,
    "",
    `![${title}](${plotName(dataset, curve)})`,
    "",
    markdownTable([`${xLabel}, R@${k} / N@${k}`, ...series.map(({ name }) => name)], lines),
    "",
    ...(verdict === undefined ? [] : [verdict, ""]),
  ];
}

function pointCell(point: CurvePoint | undefined): string {
  if (point === undefined) return "-";
  const { recall, ndcg, seeds, seedDeviation } = point;
  const deviation = seeds > 1 ? ` (${decimals(seedDeviation)})` : "";
  const first = `${withError(recall.value, recall.standardError)}${deviation}`;
  return ndcg === undefined ? first : `${first} / ${withError(ndcg.value, ndcg.standardError)}`;
}

function plotName(dataset: string, { name }: Curve): string {
  return `${dataset}-${name}.svg`;
}

function plotOf({ title, xLabel, k, xs, series }: Curve): string {
  const numbers = xs.every((x) => typeof x === "number");
  return linePlotSvg({
    title,
    xLabel,
    yLabel: `Recall@${k}`,
    ...(!numbers && { categories: xs.map(String) }),
    series: series.map(({ name, points }) => ({
      name,
      points: points.flatMap((point, i) =>
        point === undefined
          ? []
          : [
              {
                x: numbers ? (xs[i] as number) : i,
                y: point.recall.value,
                error: point.recall.standardError,
              },
            ],
      ),
    })),
  });
}
