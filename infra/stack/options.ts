/** What a stack is made of, said explicitly: nothing in here reads the environment. */
export interface StackOptions {
  /** Absolute path of the folder that holds data, logs and pid files, of this stack only. */
  readonly directory: string;
  /** Absolute path of the folder that holds Kafka's jars and the Python environment, for all. */
  readonly cacheDirectory: string;
  readonly ports: StackPorts;
  /** `docker` starts the official images, `host` processes of this machine. */
  readonly engine: "docker" | "host";
  /** Takes one line of progress at a time. */
  readonly report: (line: string) => void;
}

/** Ports on 127.0.0.1. */
export interface StackPorts {
  readonly kafka: number;
  /** Not used with `docker`. */
  readonly kafkaController: number;
  readonly redis: number;
  readonly qdrant: number;
}

export interface StackUrls {
  readonly kafkaBrokers: readonly string[];
  readonly redisUrl: string;
  readonly qdrantUrl: string;
}

export type ServerName = "kafka" | "redis" | "qdrant";

export const SERVER_NAMES: readonly ServerName[] = ["kafka", "redis", "qdrant"];

export interface ServerStatus {
  readonly name: ServerName;
  readonly up: boolean;
  /** One line for people: address and memory, or why it is not up. */
  readonly detail: string;
}

/** A failure that its message explains fully; the command prints it without a stack trace. */
export class StackError extends Error {
  override name = "StackError";
}

export function stackUrls(ports: StackPorts): StackUrls {
  return {
    kafkaBrokers: [`127.0.0.1:${ports.kafka}`],
    redisUrl: `redis://127.0.0.1:${ports.redis}`,
    qdrantUrl: `http://127.0.0.1:${ports.qdrant}`,
  };
}
