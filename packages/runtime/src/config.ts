/** Configuration from the environment: read once, checked, frozen, passed down. */
import { z } from "zod";

/** The environment is wrong; `message` has one readable line per mistake. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Reads what `schema` declares from `env`; other variables are ignored, an empty value counts as
 * unset.
 * @throws ConfigError with one line per wrong variable: its name and what was expected.
 */
export function readConfig<Schema extends z.ZodObject>(
  schema: Schema,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<z.output<Schema>> {
  const values = Object.fromEntries(
    Object.keys(schema.shape).flatMap((name) => {
      const value = env[name];
      return value === undefined || value === "" ? [] : [[name, value] as const];
    }),
  );
  const result = schema.safeParse(values);
  if (result.success) return Object.freeze(result.data);
  const lines = result.error.issues.map((issue) => {
    const name = issue.path.join(".");
    const value = values[name];
    return `${name}: ${issue.message} (${value === undefined ? "it is not set" : got(value)})`;
  });
  throw new ConfigError(lines.join("\n"));
}

/** The value for a log: without what may be a password in a URL. */
function got(value: string): string {
  return `got ${JSON.stringify(value.replace(/\/\/[^/]*@/, "//…@"))}`;
}

/** A whole number between two bounds, both allowed. */
export function integer(min: number, max: number) {
  const expected = `expected a whole number from ${min} to ${max}`;
  return z
    .string(expected)
    .regex(/^\d+$/, expected)
    .transform(Number)
    .refine((value) => value >= min && value <= max, expected);
}

/** A URL with one of these schemes, such as `memory:` or `redis:`. */
export function url(...schemes: readonly string[]) {
  const expected = `expected a URL that starts with ${schemes.map((scheme) => `${scheme}:`).join(" or ")}`;
  return z
    .string(expected)
    .refine((value) => schemes.some((scheme) => value.startsWith(`${scheme}:`)), expected);
}

/** What every service reads. */
export const serviceConfig = {
  HTTP_PORT: integer(0, 65535).default(8080),
  LOG_LEVEL: z
    .enum(
      ["debug", "info", "warn", "error", "silent"],
      "expected debug, info, warn, error or silent",
    )
    .default("info"),
  /** From the signal to the forced end. */
  SHUTDOWN_SECONDS: integer(1, 600).default(25),
} as const;
