import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { MarquetryError } from "@marquetry/runtime/errors";
import { assertFits, readBundleFolder } from "@marquetry/learning/bundle/bundle-folder";
import { assertOneSource, preparedFor, SOURCE_HELP, SOURCE_OPTIONS } from "./data-source.js";
import { mainCutoff } from "@marquetry/learning/scoring/choose";
import type { Curve } from "@marquetry/learning/experiments/curves";
import { GOALS } from "@marquetry/learning/report/goals";
import { qualityReportFiles } from "@marquetry/learning/report/quality-report";
import { curveMetrics, rowMetrics, rowTables } from "@marquetry/learning/experiments/report";
import type { NamedMetric, Row } from "@marquetry/learning/experiments/report";
import { CURVE_SOURCES } from "@marquetry/learning/experiments/curve-sources";
import { costLines, dataLines, protocolLines } from "@marquetry/learning/report/described";
import { coldSource, ROW_SOURCES, rowContext } from "@marquetry/learning/experiments/row-sources";

const HELP = `npm run evaluate -- --dataset DIR [OPTIONS]
npm run evaluate -- --from-system [OPTIONS]

Trains on the training part of a dataset, or of what the running system has, chooses on the validation
part and prints how well the test part is found, beside popularity and other methods.

  --seeds N       runs of the learned model, 3 unless told; 0 leaves it out
  --bundle DIR    a bundle that npm run train wrote, ranked by the services' own functions; then the
                  learned model is not trained again unless --seeds is given
  --rows A,B      only these of ${ROW_SOURCES.map(({ name }) => name).join(", ")};
                  popularity is always among them
  --curves A,B    only these of ${CURVE_SOURCES.map(({ name }) => name).join(", ")};
                  all of them with --report, none without
  --report DIR    writes NAME.md (of the dataset) with all of it, and a plot for each curve
  --cold SHARE    instead of all that: that share of products (such as 0.1) taken out of training
                  and histories, and how well they are found; trains once per seed
  --json          one JSON line per figure and nothing else on stdout
  --help          this text

${SOURCE_HELP}`;

/** What the commands need of a process. */
export interface CommandOutput {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

export async function runEvaluate(args: readonly string[], output: CommandOutput): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...SOURCE_OPTIONS,
      bundle: { type: "string" },
      seeds: { type: "string" },
      rows: { type: "string" },
      curves: { type: "string" },
      report: { type: "string" },
      cold: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void output.stdout.write(HELP);
  assertOneSource(values);
  const cold = values.cold === undefined ? undefined : shareOf("--cold", values.cold);
  const sources = cold
    ? [coldSource(cold)]
    : chosen("--rows", ROW_SOURCES, values.rows && `popularity,${values.rows}`);
  const curveSources =
    cold !== undefined || (values.curves === undefined && values.report === undefined)
      ? []
      : chosen("--curves", CURVE_SOURCES, values.curves);
  const report = (line: string): void => void output.stderr.write(`${line}\n`);
  const prepared = await preparedFor(values, report);
  const { name } = prepared.dataset;
  const folder =
    values.bundle === undefined
      ? undefined
      : await readBundleFolder(values.bundle, prepared.dataset.itemIds);
  if (folder !== undefined) assertFits(values.bundle!, folder.bundle, prepared.encoders);
  const seeds = countOf("--seeds", values.seeds ?? (folder === undefined ? "3" : "0"));
  const context = rowContext(prepared, { bundle: folder, seeds, report });
  const [rows, curves, metrics]: [Row[], Curve[], NamedMetric[]] = [[], [], []];
  const add = (what: string, more: readonly NamedMetric[]): void => {
    metrics.push(...more);
    report(`${name}: ${what}`);
    if (!values.json) return;
    for (const metric of more) output.stdout.write(`${JSON.stringify(metric)}\n`);
  };
  for (const source of sources) {
    for await (const row of await source.rows(context)) {
      rows.push(row);
      add(`${row.method}, ${row.rule}`, rowMetrics(name, row, GOALS));
    }
  }
  for (const source of curveSources) {
    for (const curve of await source.curves(context)) {
      curves.push(curve);
      add(curve.title, curveMetrics(name, curve, GOALS));
    }
  }
  const cutoff = mainCutoff(prepared.dataset);
  if (!values.json) {
    output.stdout.write(`## ${name}, test part\n\n${rowTables(rows, cutoff).join("\n")}`);
  }
  if (values.report === undefined) return;
  const files = qualityReportFiles({
    dataset: name,
    command: ["npm run evaluate --", ...args].join(" "),
    data: dataLines(prepared),
    protocol: protocolLines(prepared),
    mainCutoff: cutoff,
    rows,
    curves,
    metrics,
    goals: GOALS,
    cost: costLines(context),
  });
  await mkdir(values.report, { recursive: true });
  for (const [file, content] of files) await writeFile(join(values.report, file), content);
}

/** All where none are named. @throws MarquetryError `invalid` for a name that there is not */
function chosen<Source extends { readonly name: string }>(
  option: string,
  sources: readonly Source[],
  list: string | undefined,
): readonly Source[] {
  if (list === undefined) return sources;
  const names = new Set(list.split(","));
  const unknown = [...names].find((name) => !sources.some((source) => source.name === name));
  if (unknown === undefined) return sources.filter(({ name }) => names.has(name));
  const known = sources.map(({ name }) => name).join(", ");
  throw new MarquetryError("invalid", `${option}: expected some of ${known}, got "${unknown}"`);
}

function shareOf(option: string, value: string): number {
  const share = Number(value);
  if (share > 0 && share < 1) return share;
  throw new MarquetryError(
    "invalid",
    `${option}: expected a share between 0 and 1, got "${value}"`,
  );
}

export function countOf(option: string, value: string): number {
  if (/^\d{1,3}$/.test(value)) return Number(value);
  throw new MarquetryError("invalid", `${option}: expected a whole number, got "${value}"`);
}
