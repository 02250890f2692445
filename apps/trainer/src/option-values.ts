/** Options and their values, checked. Each throws a MarquetryError `invalid` that names the option. */
import { parseArgs } from "node:util";
import type { ParseArgsConfig } from "node:util";
import { MarquetryError } from "@marquetry/runtime/errors";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** As `parseArgs`; a mistake is answered with the options that there are. */
export function parseOptions<const Known extends Options>(
  args: readonly string[],
  options: Known,
): ReturnType<typeof parseArgs<{ readonly options: Known }>>["values"] {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    // Behind the first sentence Node speaks of positional arguments, of which there are none.
    const [mistake] = (error as Error).message.split(". ");
    const known = Object.keys(options).map((name) => `--${name}`);
    throw new MarquetryError("invalid", `${mistake}: expected some of ${known.join(", ")}`);
  }
}

export function required(option: string, value: string | undefined): string {
  if (value !== undefined) return value;
  throw new MarquetryError("invalid", `${option} is missing`);
}

export function oneOf<const Choice extends string>(
  option: string,
  value: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((each) => each === value);
  if (choice !== undefined) return choice;
  throw expected(option, `one of ${choices.join(", ")}`, value);
}

/** @returns the named entries in the order of `entries`; all without a list */
export function someOf<Entry extends { readonly name: string }>(
  option: string,
  entries: readonly Entry[],
  list: string | undefined,
): readonly Entry[] {
  if (list === undefined) return entries;
  const names = new Set(list.split(","));
  const unknown = [...names].find((name) => !entries.some((entry) => entry.name === name));
  if (unknown === undefined) return entries.filter(({ name }) => names.has(name));
  throw expected(option, `some of ${entries.map(({ name }) => name).join(", ")}`, unknown);
}

/** A whole number below 1,000. */
export function countOf(option: string, value: string): number {
  if (/^\d{1,3}$/.test(value)) return Number(value);
  throw expected(option, "a whole number", value);
}

/** Above 0 and below 1. */
export function shareOf(option: string, value: string): number {
  const share = Number(value);
  if (share > 0 && share < 1) return share;
  throw expected(option, "a share between 0 and 1", value);
}

/** 0 or more. */
export function weightOf(option: string, value: string): number {
  const weight = Number(value);
  if (weight >= 0 && weight < Infinity) return weight;
  throw expected(option, "a number of at least 0", value);
}

function expected(option: string, what: string, value: string): MarquetryError {
  return new MarquetryError("invalid", `${option}: expected ${what}, got "${value}"`);
}
