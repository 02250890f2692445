/** What `evaluate` prints. */
import { deviationOf, meanOf } from "./figures.js";
import type { FiguresAt } from "./figures.js";

/** One method under one rule on the test part. */
export interface Row {
  readonly method: string;
  readonly rule: RuleName;
  /** One entry per seed; one where there is nothing random. */
  readonly runs: readonly (readonly FiguresAt[])[];
  /** What was chosen on the validation part, per run. */
  readonly chosen: readonly string[];
}

/** `masked`: own history left out; `unmasked`: as published sequential tables are, presumably;
 * `own-penalty`: own products pushed down by a constant, which published models do not do. */
export type RuleName = "masked" | "unmasked" | "own-penalty";

export interface Goal {
  readonly dataset: string;
  readonly method: string;
  readonly rule: RuleName;
  readonly figure: string;
  readonly atLeast: number;
}

const FIGURES = ["recall", "ndcg", "coverage", "gini", "novelty"] as const;

/** One JSON line per figure. */
export function jsonLines(dataset: string, row: Row, goals: readonly Goal[]): string[] {
  return row.runs[0]!.flatMap(({ k }, at) =>
    FIGURES.map((figure) => {
      const values = row.runs.map((run) => valueOf(run[at]!, figure));
      const value = meanOf(values).value;
      const name = `${figure}@${k}`;
      const goal = goals.find(
        (g) =>
          g.dataset === dataset &&
          g.method === row.method &&
          g.rule === row.rule &&
          g.figure === name,
      )?.atLeast;
      return JSON.stringify({
        name: `${dataset}/${row.method}/${row.rule}/${name}`,
        value,
        unit: figure === "novelty" ? "bit" : "share",
        goal: goal ?? null,
        holds: goal === undefined ? null : value >= goal,
        context: {
          part: "test",
          seeds: values.length,
          seedDeviation: deviationOf(values),
          standardError: standardErrorOf(row.runs[0]![at]!, figure),
          chosenOnValidation: row.chosen,
        },
      });
    }),
  );
}

/** A Markdown table; the standard error over users of the first run stands behind each figure. */
export function markdown(dataset: string, rows: readonly Row[]): string {
  const cutoffs = rows[0]?.runs[0]?.map(({ k }) => k) ?? [];
  const heads = cutoffs.map((k) => `R@${k} / N@${k}`);
  const lines = rows.map((row) => {
    const cells = cutoffs.map((_, at) => {
      const recalls = row.runs.map((run) => run[at]!.recall.value);
      const gains = row.runs.map((run) => run[at]!.ndcg.value);
      return `${spread(recalls)} / ${spread(gains)}`;
    });
    const first = row.runs[0]![0]!;
    return [
      row.method,
      row.rule,
      ...cells,
      first.recall.standardError.toFixed(4),
      first.coverage.toFixed(2),
      first.gini.toFixed(2),
      first.novelty.toFixed(1),
      row.chosen[0]!,
    ];
  });
  const k = cutoffs[0];
  const head = [
    "method",
    "rule",
    ...heads,
    `SE of R@${k}`,
    `coverage@${k}`,
    "Gini",
    "novelty",
    "chosen",
  ];
  return [
    `## ${dataset}, test part`,
    "",
    ...[head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`),
    "",
  ].join("\n");
}

function spread(values: readonly number[]): string {
  const mean = meanOf(values).value.toFixed(4);
  return values.length === 1 ? mean : `${mean} (${deviationOf(values).toFixed(4)})`;
}

function valueOf(at: FiguresAt, figure: (typeof FIGURES)[number]): number {
  return figure === "recall" || figure === "ndcg" ? at[figure].value : at[figure];
}

function standardErrorOf(at: FiguresAt, figure: (typeof FIGURES)[number]): number | null {
  return figure === "recall" || figure === "ndcg" ? at[figure].standardError : null;
}
