import { describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { ConfigError, integer, readConfig, serviceConfig, url } from "./config.js";

const schema = z.object({
  ...serviceConfig,
  BUS_URL: url("kafka", "memory"),
  WORKERS: integer(1, 64),
  NAME: z.string().optional(),
});
const right = { BUS_URL: "memory:", WORKERS: "2" };

/** The lines of the error, one per mistake. */
function mistakes(env: Record<string, string | undefined>): string[] {
  try {
    readConfig(schema, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  return [];
}

describe("configuration", () => {
  test("what is right is read, with defaults, without what the schema does not declare, and frozen", () => {
    const config = readConfig(schema, { ...right, HOME: "/home/someone" });
    expect(config).toEqual({
      HTTP_PORT: 8080,
      LOG_LEVEL: "info",
      SHUTDOWN_SECONDS: 25,
      BUS_URL: "memory:",
      WORKERS: 2,
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("an empty value counts as unset", () => {
    expect(readConfig(schema, { ...right, HTTP_PORT: "", NAME: "" })).toMatchObject({
      HTTP_PORT: 8080,
    });
    expect(readConfig(schema, { ...right, NAME: "" })).not.toHaveProperty("NAME");
    expect(mistakes({ ...right, WORKERS: "" })).toEqual([
      "WORKERS: expected a whole number from 1 to 64 (it is not set)",
    ]);
  });

  test("every mistake has one line with its variable, what was expected and what was found", () => {
    expect(mistakes({ HTTP_PORT: "65536", LOG_LEVEL: "loud", BUS_URL: "amqp://x" })).toEqual([
      'HTTP_PORT: expected a whole number from 0 to 65535 (got "65536")',
      'LOG_LEVEL: expected debug, info, warn, error or silent (got "loud")',
      'BUS_URL: expected a URL that starts with kafka: or memory: (got "amqp://x")',
      "WORKERS: expected a whole number from 1 to 64 (it is not set)",
    ]);
  });

  test("a value of several lines does not break into several", () => {
    expect(mistakes({ ...right, BUS_URL: "a\nb" })).toHaveLength(1);
  });

  test("a password in a URL is not shown", () => {
    const [line = ""] = mistakes({ ...right, BUS_URL: "rediss://user:s3cret@host/0" });
    expect(line).not.toContain("s3cret");
    expect(line).toContain("host");
  });

  test.each(["0", "65", "-1", "1.5", "1e1", " 3", "3 ", "0x10", "9".repeat(400), "two", "NaN"])(
    "%p is no whole number from 1 to 64 and gives one line",
    (WORKERS) => {
      expect(mistakes({ ...right, WORKERS })).toEqual([
        `WORKERS: expected a whole number from 1 to 64 (got ${JSON.stringify(WORKERS)})`,
      ]);
    },
  );

  test.each([
    ["1", 1],
    ["64", 64],
    ["007", 7],
  ])("%p is a whole number from 1 to 64: both bounds are allowed", (WORKERS, value) => {
    expect(readConfig(schema, { ...right, WORKERS }).WORKERS).toBe(value);
  });

  test.each(["kafka", "kafkas://x", "memory", "KAFKA", "http://kafka:"])(
    "%p starts with neither kafka: nor memory:",
    (BUS_URL) => {
      expect(mistakes({ ...right, BUS_URL })).toHaveLength(1);
    },
  );
});
