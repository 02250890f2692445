/** Server processes that outlive the command which started them, known by their pid files. */
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { StackError } from "./options.js";
import type { ServerName } from "./options.js";

/** One server as a process of this machine. */
export interface Server {
  readonly name: ServerName;
  readonly port: number;
  readonly command: string;
  /** Somewhere among them a path inside `folder`: that is how a process is recognised as ours. */
  readonly args: readonly string[];
  /** Absolute path, below the stack's directory. */
  readonly folder: string;
  /** Everything a restart would be needed for; compared with what the running process started with. */
  readonly settings: string;
  /** Writes config files and formats data where that is still to be done. */
  prepare(): Promise<void>;
  /** Resolves once the server answers; rejects while it does not. */
  ready(): Promise<void>;
}

/** Linux; elsewhere by `ps`. */
const HAS_PROC = existsSync("/proc/self/cmdline");
const POLL_MS = 50;
const LOG_LINES_SHOWN = 15;

interface PidFile {
  readonly pid: number;
  readonly settings: string;
}

/** The pid of the running server, or undefined. A pid that now belongs to something else is not
 * ours, whatever the file says. */
export function runningPid(server: Server): number | undefined {
  const file = readPidFile(server);
  return file !== undefined && isOurs(file.pid, server) ? file.pid : undefined;
}

/** Whether the running process was started with other settings than these. */
export function hasOtherSettings(server: Server): boolean {
  return readPidFile(server)?.settings !== server.settings;
}

export async function startProcess(server: Server): Promise<number> {
  await mkdir(server.folder, { recursive: true });
  await server.prepare();
  const log = logFile(server);
  // One log per start, and the one before it: the lines shown after a failure belong to it.
  if (existsSync(log)) renameSync(log, `${log}.1`);
  const output = openSync(log, "a");
  try {
    const child = spawn(server.command, server.args, {
      cwd: server.folder,
      detached: true,
      stdio: ["ignore", output, output],
    });
    const pid = await new Promise<number>((resolve, reject) => {
      child.once("spawn", () => resolve(child.pid!));
      child.once("error", (cause) => {
        reject(
          new StackError(`${server.name}: ${server.command} does not start: ${cause.message}`),
        );
      });
    });
    child.unref();
    writeFileSync(pidPath(server), JSON.stringify({ pid, settings: server.settings }));
    return pid;
  } finally {
    closeSync(output);
  }
}

/** @throws StackError with the last lines of the log when the process ends or the time is over */
export async function awaitReady(server: Server, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const pid = runningPid(server);
    if (pid === undefined)
      throw new StackError(`${server.name} ended while starting${logTail(server)}`);
    const failure = await server.ready().then(() => undefined, String);
    if (failure === undefined) return;
    if (Date.now() > deadline) {
      const seconds = Math.round(timeoutMs / 1000);
      throw new StackError(
        `${server.name} (pid ${pid}) does not answer on port ${server.port} after ${seconds} s: ${failure}${logTail(server)}`,
      );
    }
    await pause(POLL_MS);
  }
}

/** Sends the signal and waits for the end, with SIGKILL after the bound. Says whether it ran. */
export async function stopProcess(
  server: Server,
  signal: "SIGTERM" | "SIGKILL",
  timeoutMs: number,
): Promise<"not running" | "stopped" | "killed"> {
  let outcome: "stopped" | "killed" = signal === "SIGKILL" ? "killed" : "stopped";
  const pid = runningPid(server);
  if (pid !== undefined) {
    process.kill(pid, signal);
    if (!(await endsWithin(pid, timeoutMs))) {
      if (isOurs(pid, server)) process.kill(pid, "SIGKILL");
      outcome = "killed";
      if (!(await endsWithin(pid, timeoutMs))) {
        throw new StackError(`${server.name} (pid ${pid}) survives SIGKILL`);
      }
    }
  }
  rmSync(pidPath(server), { force: true });
  return pid === undefined ? "not running" : outcome;
}

export function logFile(server: Server): string {
  return join(server.folder, `${server.name}.log`);
}

export function logTail(server: Server): string {
  const path = logFile(server);
  const text = existsSync(path) ? readFileSync(path, "utf8").trimEnd() : "";
  if (text === "") return ` (its log ${path} is empty)`;
  const lines = text.split("\n").slice(-LOG_LINES_SHOWN);
  return `; the last lines of ${path}:\n${lines.map((line) => `  | ${line}`).join("\n")}`;
}

/** Resident memory in bytes, where the system tells. */
export function residentBytes(pid: number): number | undefined {
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
  const kib = Number.parseInt(stdout ?? "", 10);
  return Number.isNaN(kib) ? undefined : kib * 1024;
}

/** Resolves where something accepts connections on the port of 127.0.0.1. */
export async function connectTo(port: number, timeoutMs = 1000): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, timeout: timeoutMs });
    socket.once("connect", () => resolve());
    socket.once("timeout", () => reject(new Error("no answer")));
    socket.once("error", reject);
    socket.once("connect", () => socket.destroy());
    socket.once("timeout", () => socket.destroy());
  });
}

async function endsWithin(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (!hasEnded(pid)) {
    if (Date.now() > deadline) return false;
    await pause(POLL_MS);
  }
  return true;
}

/**
 * Whether nothing of the process is left: a killed one loses its command line before its last
 * thread lets go of files, locks and ports. Where nobody collects the dead, it stays a zombie.
 */
function hasEnded(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (!HAS_PROC) return false;
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return /^State:\tZ/m.test(status) && readdirSync(`/proc/${pid}/task`).length === 1;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ESRCH" || code === "ENOENT") return true;
    throw error;
  }
}

/** Ours is a live process whose command line names the server's folder. A dying one has none. */
function isOurs(pid: number, server: Server): boolean {
  return commandLine(pid).includes(`${server.folder}/`);
}

function commandLine(pid: number): string {
  if (!HAS_PROC) {
    return spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" }).stdout ?? "";
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function readPidFile(server: Server): PidFile | undefined {
  try {
    return JSON.parse(readFileSync(pidPath(server), "utf8")) as PidFile;
  } catch {
    return undefined;
  }
}

function pidPath(server: Server): string {
  return join(server.folder, `${server.name}.pid.json`);
}
