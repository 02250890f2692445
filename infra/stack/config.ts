import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";
import { cacheDirectory } from "@marquetry/runtime/directories";
import { z } from "zod";
import { StackError } from "./options.js";
import type { StackPorts } from "./options.js";

export interface StackConfig {
  readonly directory: string;
  readonly cacheDirectory: string;
  readonly ports: StackPorts;
  readonly engine: "auto" | "docker" | "host";
}

const port = (preset: number) => z.coerce.number().int().min(1).max(65535).default(preset);

const variables = z.object({
  MARQUETRY_STACK_DIR: z.string().min(1).optional(),
  MARQUETRY_STACK_ENGINE: z.enum(["auto", "docker", "host"]).default("auto"),
  MARQUETRY_STACK_KAFKA_PORT: port(9092),
  MARQUETRY_STACK_KAFKA_CONTROLLER_PORT: port(9093),
  MARQUETRY_STACK_REDIS_PORT: port(6379),
  MARQUETRY_STACK_QDRANT_PORT: port(6333),
});

/** @throws StackError with one line for each mistake */
export function readStackConfig(env: Readonly<Record<string, string | undefined>>): StackConfig {
  const { data, error } = variables.safeParse(env);
  if (data === undefined) {
    const mistakes = error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new StackError(mistakes.join("\n"));
  }
  const ports = {
    kafka: data.MARQUETRY_STACK_KAFKA_PORT,
    kafkaController: data.MARQUETRY_STACK_KAFKA_CONTROLLER_PORT,
    redis: data.MARQUETRY_STACK_REDIS_PORT,
    qdrant: data.MARQUETRY_STACK_QDRANT_PORT,
  };
  if (new Set(Object.values(ports)).size < Object.keys(ports).length) {
    throw new StackError("MARQUETRY_STACK_*_PORT: two servers have the same port");
  }
  return {
    // Relative paths start at the root of the repository, wherever the command is run.
    directory: resolve(repositoryRoot(), data.MARQUETRY_STACK_DIR ?? ".local/stack"),
    cacheDirectory: stackCacheDirectory(env),
    ports,
    engine: data.MARQUETRY_STACK_ENGINE,
  };
}

/** Where Kafka's jars and the Python environment are, for all stacks of this user. */
export function stackCacheDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return join(cacheDirectory(env), "stack");
}

function repositoryRoot(): string {
  return fileURLToPath(new URL("../../../", import.meta.url));
}
