import kafkajs from "kafkajs";
import type { LogEntry } from "kafkajs";

type LogLevel = "debug" | "info" | "warn" | "error";
type Log = (level: LogLevel, message: string, detail: Readonly<Record<string, unknown>>) => void;

export interface KafkaEventBusOptions {
  /** `host:port` of some brokers; the others are found through them. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly log: Log;
  /** Time that `close()` gives running handlers before it aborts them. Default: 10,000. */
  readonly drainMs?: number;
  /** A member that dies without leaving holds its partitions for this long. Default: 10,000. */
  readonly sessionMs?: number;
}

export const REQUEST_MS_MAX = 15_000;
const CONNECTION_MS_MAX = 3_000;

/** kafkajs's levels by their numbers. */
const LOG_LEVELS: Readonly<Record<number, LogLevel>> = { 1: "error", 2: "warn", 4: "info" };

export function createClient(
  { clientId, brokers, log }: KafkaEventBusOptions,
  retries: number,
  requestTimeout = REQUEST_MS_MAX,
): kafkajs.Kafka {
  return new kafkajs.Kafka({
    clientId,
    brokers: [...brokers],
    connectionTimeout: CONNECTION_MS_MAX,
    requestTimeout,
    retry: { retries, initialRetryTime: 200, maxRetryTime: 3_000 },
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => (entry) => forwardLog(entry, log),
  });
}

function forwardLog({ level, namespace, log: entry }: LogEntry, log: Log): void {
  const { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...detail } = entry;
  log(LOG_LEVELS[level] ?? "debug", `kafka ${namespace}: ${message}`, detail);
}
