import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createUntil } from "./until.js";

/** A program as a process of its own, and what it writes. */
export interface NodeProcess {
  readonly child: ChildProcess;
  /** Resolves with the match once stdout or stderr holds it. Rejects where the process ends before. */
  readonly wrote: (pattern: RegExp) => Promise<RegExpExecArray>;
  /** Resolves with its exit status and all that it wrote. */
  readonly ended: Promise<ProcessEnd>;
}

/** How a process ended, and all that it wrote. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const running = new Set<ChildProcess>();
const until = createUntil(60_000, 5);

/** Starts a program on this Node, with these environment variables and no others. */
export function runNode(
  main: URL,
  variables: Readonly<Record<string, string | undefined>>,
  ...args: readonly string[]
): NodeProcess {
  const child = spawn(process.execPath, [main.pathname, ...args], {
    env: variables,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const output = { out: "", err: "" };
  let end: ProcessEnd | undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.err += text));
  const ended = once(child, "close").then(([code]) => {
    running.delete(child);
    end = { code: code as number | null, ...output };
    return end;
  });
  return {
    child,
    ended,
    wrote: (pattern) =>
      until(`${main.pathname} wrote ${pattern}`, () => {
        const match = pattern.exec(output.out) ?? pattern.exec(output.err);
        if (match !== null || end === undefined) return match ?? undefined;
        throw new Error(`ended with ${end.code} before ${pattern}: ${end.out}${end.err}`);
      }),
  };
}

/** Kills what `runNode` started in this test file and still runs; for `afterEach`. */
export function killProcesses(): void {
  for (const child of running) child.kill("SIGKILL");
}
