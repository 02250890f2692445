import { parseArgs } from "node:util";
import { MarquetryError } from "@marquetry/runtime/errors";
import { readBundleFolder } from "./bundle/bundle-folder.js";
import { readTrainerConfig } from "./config.js";
import { GOALS } from "./evaluation/goals.js";
import { jsonLines, markdown } from "./evaluation/report.js";
import type { Row } from "./evaluation/report.js";
import {
  baselineRows,
  bundleRows,
  closedFormRows,
  coldRows,
  learnedRows,
} from "./recipe/methods.js";
import { prepare } from "./recipe/prepare.js";

const HELP = `npm run evaluate -- --dataset DIR [OPTIONS]

Trains on the dataset's training part, chooses on its validation part and prints how well the test
part is found, beside popularity and other methods.

  --dataset DIR   a folder with dataset.json (see apps/trainer/src/dataset/descriptor.ts), RecBole's
                  *.train.inter or train.tsv, valid.tsv, test.tsv
  --seeds N       runs of the learned model, 3 unless told; 0 leaves it out
  --bundle DIR    a bundle that npm run train wrote, ranked by the services' own functions; then the
                  learned model is not trained again unless --seeds is given
  --cold SHARE    instead of all that: that share of products (such as 0.1) taken out of training
                  and histories, and how well they are found; trains once per seed
  --ease          EASE too, which takes a matrix of products by products (four bytes each, thrice)
  --text ID       encoder of texts, all-minilm-l6-v2-int8 unless told
  --json          one JSON line per figure and nothing else on stdout
  --help          this text
`;

/** What the commands need of a process. */
export interface CommandOutput {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

export const DEFAULT_TEXT_ENCODER = "all-minilm-l6-v2-int8";

export async function runEvaluate(args: readonly string[], output: CommandOutput): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      dataset: { type: "string" },
      bundle: { type: "string" },
      seeds: { type: "string" },
      cold: { type: "string" },
      ease: { type: "boolean", default: false },
      text: { type: "string", default: DEFAULT_TEXT_ENCODER },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void output.stdout.write(HELP);
  if (values.dataset === undefined) throw new MarquetryError("invalid", "--dataset is missing");
  const report = (line: string): void => void output.stderr.write(`${line}\n`);
  const prepared = await prepare(values.dataset, {
    ...readTrainerConfig(),
    textEncoder: values.text,
    report,
  });
  const { name } = prepared.dataset;
  const folder =
    values.bundle === undefined
      ? undefined
      : await readBundleFolder(values.bundle, prepared.dataset.itemIds);
  const rows: Row[] = [];
  const add = (row: Row): void => {
    rows.push(row);
    report(`${name}: ${row.method}, ${row.rule}`);
    if (values.json) {
      for (const line of jsonLines(name, row, GOALS)) output.stdout.write(`${line}\n`);
    }
  };
  if (values.cold !== undefined) {
    const share = shareOf("--cold", values.cold);
    const runs = countOf("--seeds", values.seeds ?? "3");
    for (const row of await coldRows(prepared, share, runs, report)) add(row);
    if (!values.json) output.stdout.write(markdown(name, rows));
    return;
  }
  for (const row of baselineRows(prepared, values.ease)) add(row);
  for (const row of closedFormRows(prepared)) add(row);
  if (folder !== undefined) for (const row of bundleRows(prepared, folder)) add(row);
  const seeds = countOf("--seeds", values.seeds ?? (folder === undefined ? "3" : "0"));
  if (seeds > 0) for (const row of learnedRows(prepared, seeds, report)) add(row);
  if (!values.json) output.stdout.write(markdown(name, rows));
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
