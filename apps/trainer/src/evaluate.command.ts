import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readFittingBundle } from "@marquetry/learning/bundle/bundle-folder";
import { experimentContext } from "@marquetry/learning/experiments/context";
import { runExperiments } from "@marquetry/learning/experiments/run-experiments";
import { curveMetrics, methodMetrics } from "@marquetry/learning/report/named-metrics";
import type { NamedMetric } from "@marquetry/learning/report/named-metrics";
import { qualityReport, qualityReportFiles } from "@marquetry/learning/report/quality-report";
import { methodTables } from "@marquetry/learning/report/tables";
import { progressOf } from "./command-output.js";
import type { CommandOutput } from "./command-output.js";
import { prepareSource } from "./data-source.js";
import { EVALUATE_HELP, evaluateOptionsOf } from "./evaluate.options.js";

export async function runEvaluate(args: readonly string[], output: CommandOutput): Promise<void> {
  const options = evaluateOptionsOf(args);
  if (options === undefined) return void output.stdout.write(EVALUATE_HELP);
  const report = progressOf(output);
  const prepared = await prepareSource(options.source, report);
  const { name } = prepared.dataset;
  const { seeds } = options;
  const bundle = options.bundle ? await readFittingBundle(options.bundle, prepared) : undefined;
  const context = experimentContext(prepared, { bundle, seeds, report });
  const print = (title: string, metrics: readonly NamedMetric[]): void => {
    report(`${name}: ${title}`);
    if (!options.json) return;
    for (const metric of metrics) output.stdout.write(`${JSON.stringify(metric)}\n`);
  };
  const results = await runExperiments(context, options, {
    onMethod: (each) => print(`${each.method}, ${each.policy}`, methodMetrics(name, each)),
    onCurve: (curve) => print(curve.title, curveMetrics(name, curve)),
  });
  if (!options.json) {
    const tables = methodTables(results.methods, prepared.dataset).join("\n");
    output.stdout.write(`## ${name}, test part\n\n${tables}`);
  }
  if (options.report === undefined) return;
  const command = ["npm run evaluate --", ...args].join(" ");
  await mkdir(options.report, { recursive: true });
  const files = qualityReportFiles(qualityReport(command, context, results));
  for (const [file, content] of files) await writeFile(join(options.report, file), content);
}
