/** The stack as containers of the official images, by `infra/compose.yaml`. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import { SERVER_NAMES, StackError } from "./options.js";
import type { ServerName, ServerStatus, StackOptions } from "./options.js";

const run = promisify(execFile);

const COMPOSE_FILE = fileURLToPath(new URL("../../compose.yaml", import.meta.url));
const READY_TIMEOUT_S = 180;

/** Whether a Docker engine answers and its client has Compose. */
export async function dockerAnswers(): Promise<boolean> {
  for (const args of [["info"], ["compose", "version"]]) {
    const answered = await run("docker", args, { timeout: 10_000 }).then(
      () => true,
      () => false,
    );
    if (!answered) return false;
  }
  return true;
}

export async function dockerUp(options: StackOptions): Promise<void> {
  await compose(options, ["up", "-d", "--wait", "--wait-timeout", String(READY_TIMEOUT_S)]);
}

export async function dockerDown(options: StackOptions, wipe: boolean): Promise<void> {
  await compose(options, ["down", ...(wipe ? ["--volumes"] : [])]);
}

export async function dockerStatus(options: StackOptions): Promise<ServerStatus[]> {
  const output = await compose(options, ["ps", "--all", "--format", "json"]);
  return SERVER_NAMES.map((name) => {
    const container = readContainers(output).find(({ Service }) => Service === name);
    if (container === undefined) return { name, up: false, detail: "no container" };
    const up = container.State === "running" && container.Health === "healthy";
    const health = container.Health === "" ? "" : `, ${container.Health}`;
    return { name, up, detail: `127.0.0.1:${options.ports[name]}, ${container.State}${health}` };
  });
}

export async function dockerStart(options: StackOptions, name: ServerName): Promise<void> {
  await compose(options, ["up", "-d", "--wait", "--wait-timeout", String(READY_TIMEOUT_S), name]);
}

export async function dockerStop(
  options: StackOptions,
  name: ServerName,
  signal: "SIGTERM" | "SIGKILL",
): Promise<void> {
  await compose(options, signal === "SIGKILL" ? ["kill", name] : ["stop", name]);
}

const container = z.object({
  Service: z.string(),
  State: z.string(),
  Health: z.string().default(""),
});

/** One object a line, or one array with older versions of Compose. */
export function readContainers(output: string): z.infer<typeof container>[] {
  const text = output.trim();
  if (text.startsWith("[")) return z.array(container).parse(JSON.parse(text));
  const lines = text === "" ? [] : text.split("\n");
  return lines.map((line) => container.parse(JSON.parse(line)));
}

async function compose(options: StackOptions, args: readonly string[]): Promise<string> {
  // A stack of another directory is another project, with containers and volumes of its own.
  const project = `marquetry-${createHash("sha256").update(options.directory).digest("hex").slice(0, 8)}`;
  const env = {
    ...process.env,
    MARQUETRY_STACK_KAFKA_PORT: String(options.ports.kafka),
    MARQUETRY_STACK_REDIS_PORT: String(options.ports.redis),
    MARQUETRY_STACK_QDRANT_PORT: String(options.ports.qdrant),
  };
  try {
    const command = ["compose", "-f", COMPOSE_FILE, "-p", project, ...args];
    return (await run("docker", command, { env, maxBuffer: 16 * 1024 * 1024 })).stdout;
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: string };
    throw new StackError(`docker compose ${args[0]} failed: ${stderr?.trim() || message}`);
  }
}
