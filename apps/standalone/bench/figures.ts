/** What a benchmark prints. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { execFileSync } from "node:child_process";

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Such as ">= 0.9"; absent where the figure only explains another. */
  readonly goal?: string;
  readonly context?: Readonly<Record<string, string | number>>;
}

export type Report = (figure: Figure) => void;

const GOAL = /^(>=|<=|<|>) (-?[\d.]+)$/;

/** @throws Error for a goal that cannot be checked */
export function holds({ value, goal }: Pick<Figure, "value" | "goal">): boolean | null {
  if (goal === undefined) return null;
  const [, sign, bound] = GOAL.exec(goal) ?? [];
  if (sign === undefined) throw new Error(`the goal "${goal}" cannot be checked`);
  const limit = Number(bound);
  if (sign === ">=") return value >= limit;
  if (sign === "<=") return value <= limit;
  return sign === "<" ? value < limit : value > limit;
}

/** One line per figure: JSON, or columns for a reader. */
export function createReport(
  json: boolean,
  environment: Readonly<Record<string, string | number>>,
): Report {
  return ({ name, value, unit, goal = "", context = {}, ...rest }) => {
    const rounded = Number(value.toPrecision(4));
    const kept = goal === "" ? null : holds({ value, goal, ...rest });
    const line = json
      ? JSON.stringify({
          name,
          value: rounded,
          unit,
          goal: goal === "" ? null : goal,
          holds: kept,
          context: { ...environment, ...context },
        })
      : columns(name, `${rounded} ${unit}`, goal, kept, context);
    process.stdout.write(`${line}\n`);
  };
}

function columns(
  name: string,
  value: string,
  goal: string,
  kept: boolean | null,
  context: Figure["context"] = {},
): string {
  const verdict = kept === null ? "" : kept ? "holds" : "MISSED";
  const details = Object.entries(context).map(([key, detail]) => `${key} ${detail}`);
  const fields = [name.padEnd(42), value.padEnd(22), goal.padEnd(10), verdict.padEnd(7)];
  return [...fields, details.join(", ")].join(" ").trimEnd();
}

/** The machine and the versions that a figure depends on. */
export function environmentOf(libraries: readonly string[]): Record<string, string | number> {
  const require = createRequire(import.meta.url);
  const versions = libraries.map((library) => {
    const folder = require.resolve.paths(library)?.map((path) => `${path}/${library}/package.json`);
    return [library, folder?.map(versionIn).find((version) => version !== "") ?? "unknown"];
  });
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memory_gb: Math.round(totalmem() / 1e9),
    linux: release(),
    node: process.version,
    commit: commit(),
    ...Object.fromEntries(versions),
  };
}

function versionIn(file: string): string {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
  } catch {
    return "";
  }
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
