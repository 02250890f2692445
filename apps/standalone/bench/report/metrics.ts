/** What a benchmark prints: metrics, each with its goal. */
import { MarquetryError } from "@marquetry/runtime/errors";

export interface Metric {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Such as ">= 0.9"; absent where the metric only explains another. */
  readonly goal?: string;
  readonly context?: Readonly<Record<string, string | number>>;
}

export type Report = (metric: Metric) => void;

const GOAL = /^(>=|<=|<|>) (-?[\d.]+)$/;

/**
 * Null without a goal.
 * @throws MarquetryError `internal` for a goal that cannot be checked
 */
export function meetsGoal({ value, goal }: Pick<Metric, "value" | "goal">): boolean | null {
  if (goal === undefined) return null;
  const [, sign, bound] = GOAL.exec(goal) ?? [];
  if (sign === undefined)
    throw new MarquetryError("internal", `the goal "${goal}" cannot be checked`);
  const limit = Number(bound);
  if (sign === ">=") return value >= limit;
  if (sign === "<=") return value <= limit;
  return sign === "<" ? value < limit : value > limit;
}

/** One line per metric: JSON, or columns for a reader. */
export function createReport(
  json: boolean,
  environment: Readonly<Record<string, string | number>>,
): Report {
  return (metric) => {
    const { name, value, unit, goal, context = {} } = metric;
    const rounded = Number(value.toPrecision(4));
    const holds = meetsGoal(metric);
    const line = json
      ? JSON.stringify({
          name,
          value: rounded,
          unit,
          goal: goal ?? null,
          holds,
          context: { ...environment, ...context },
        })
      : columns(name, `${rounded} ${unit}`, goal ?? "", holds, context);
    process.stdout.write(`${line}\n`);
  };
}

function columns(
  name: string,
  value: string,
  goal: string,
  holds: boolean | null,
  context: Metric["context"] = {},
): string {
  const verdict = holds === null ? "" : holds ? "holds" : "MISSED";
  const details = Object.entries(context).map(([key, detail]) => `${key} ${detail}`);
  const fields = [name.padEnd(42), value.padEnd(22), goal.padEnd(10), verdict.padEnd(7)];
  return [...fields, details.join(", ")].join(" ").trimEnd();
}
