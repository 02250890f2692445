import { describe, expect, test } from "@jest/globals";
import type { MetricsAt } from "../scoring/metrics.js";
import { linePlotSvg } from "./line-plot.js";
import { qualityReportFiles } from "./quality-report.js";
import { methodMetrics } from "./named-metrics.js";
import type { MethodResult } from "../scoring/method-result.js";

const at = (k: number, recall: number): MetricsAt => ({
  k,
  recall: { value: recall, standardError: 0.004 },
  ndcg: { value: recall / 2, standardError: 0.002 },
  coverage: 0.5,
  gini: 0.25,
  novelty: 7,
});

const result = (method: string, ...recalls: number[]): MethodResult => ({
  method,
  policy: "masked",
  runs: recalls.map((recall) => [at(10, recall - 0.05), at(20, recall)]),
  chosen: recalls.map((_, i) => `decay 0.${i + 5}`),
});

function reportOf(goal: number) {
  const methods = [result("popularity", 0.06), result("full", 0.11, 0.13)];
  const goals = [{ metric: "tiktok-diffmm/full/masked/recall@20", atLeast: goal, aim: 0.9 }];
  return qualityReportFiles({
    dataset: "tiktok-diffmm",
    command: "npm run evaluate -- --dataset x",
    data: ["9 users"],
    protocol: ["full ranking"],
    ordered: false,
    methods,
    curves: [
      {
        name: "cold-users",
        title: "Cold users",
        protocol: "Only some are known.",
        xLabel: "interactions known",
        xs: [0, 1],
        k: 20,
        series: [
          {
            name: "a < b",
            points: [
              { recall: { value: 0.1, standardError: 0.01 }, seeds: 1, seedDeviation: 0 },
              undefined,
            ],
          },
        ],
      },
    ],
    metrics: methods.flatMap((each) => methodMetrics("tiktok-diffmm", each, goals)),
    goals,
    cost: ["10 CPU seconds"],
  });
}

describe("a quality report", () => {
  test("has each metric with its errors and choices, the published ones apart with their source", () => {
    const text = reportOf(0.12).get("tiktok-diffmm.md")!;
    expect(text).toContain(
      "| full | .0700 ± .0040 (.0141) | .0350 ± .0020 (.0071) | .1200 ± .0040 (.0141) | " +
        ".0600 ± .0020 (.0071) | 0.50 | 0.25 | 7.0 | 2 | decay 0.5; decay 0.6 |",
    );
    expect(text).toContain("npm run evaluate -- --dataset x");
    const [ours, theirs] = text.split("## Published by others") as [string, string];
    expect(ours).not.toContain("DiffMM |");
    expect(theirs).toContain("| DiffMM | .1129 | .0456 |");
    expect(theirs).toContain("Source: Jiang et al.");
    expect(theirs).toContain("| 0 | .1000 ± .0100 |");
    expect(theirs).toContain("| 1 | - |");
  });

  test("a goal is reached by the mean over seeds or missed", () => {
    expect(reportOf(0.1199).get("tiktok-diffmm.md")).toContain(
      "| .1200 | .1199 | .9000 | reached |",
    );
    expect(reportOf(0.1201).get("tiktok-diffmm.md")).toContain(
      "| .1200 | .1201 | .9000 | missed |",
    );
  });

  test("a plot has a place for each point, its error bar, and names that are escaped", () => {
    const svg = reportOf(0.1).get("tiktok-diffmm-cold-users.svg")!;
    expect(svg.match(/<circle/g)).toHaveLength(2);
    expect(svg).toContain("a &lt; b</text>");
    expect(svg).toContain("prefers-color-scheme: dark");
  });

  test("a plot's axes enclose every point with its error bar", () => {
    const plot = { title: "t", xLabel: "x", yLabel: "y" };
    const points = [
      { x: 1, y: 0.13, error: 0.02 },
      { x: 9, y: 0.3, error: 0.05 },
    ];
    const svg = linePlotSvg({ ...plot, series: [{ name: "s", points }] });
    const bars = [...svg.matchAll(/d="M[\d.]+ ([\d.]+)V([\d.]+)M/g)].flatMap(([, a, b]) => [
      Number(a),
      Number(b),
    ]);
    expect(bars).toHaveLength(4);
    for (const y of bars) {
      expect(y).toBeGreaterThanOrEqual(46);
      expect(y).toBeLessThanOrEqual(326);
    }
    expect(() => linePlotSvg({ ...plot, series: [] })).toThrow("no points");
  });
});
