import { spawnSync } from "node:child_process";
import { describe, test } from "@jest/globals";

/** Runs tests that need a server. Without one they are skipped; CI must not pass without. */
function withServer(name: string, installed: boolean, missing: string, run: () => void): void {
  if (installed) {
    run();
  } else if (process.env["CI"] !== undefined) {
    test(name, () => {
      throw new Error(missing);
    });
  } else {
    console.warn(`${name}: skipped; ${missing}`);
    describe.skip(`${name} (skipped: ${missing})`, () => {
      test("the contract", () => undefined);
    });
  }
}

/** With the server whose address a variable holds. */
export function withServerAt(
  variable: string,
  expected: string,
  name: string,
  run: (address: string) => void,
): void {
  const address = process.env[variable] ?? "";
  withServer(name, address !== "", `${variable} is not set: expected ${expected}`, () =>
    run(address),
  );
}

/** With the program `redis-server`, which the tests start and stop themselves. */
export function withRedisServer(name: string, run: () => void): void {
  const installed = spawnSync("redis-server", ["--version"]).status === 0;
  withServer(name, installed, "redis-server is not installed (Debian package redis-server)", run);
}
