import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, release, totalmem } from "node:os";

/** The machine and the versions that a metric depends on. */
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
