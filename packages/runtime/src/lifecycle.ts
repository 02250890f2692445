/** Start and end of a service: what was opened last is closed first, and nothing waits for ever. */
import { ConfigError } from "./config.js";
import { describeError } from "./errors.js";
import { startHealthServer } from "./health.js";
import type { HealthCheck } from "./health.js";
import { createLogger } from "./logger.js";
import type { Logger } from "./logger.js";
import { createMetrics } from "./telemetry.js";
import type { Metrics } from "./telemetry.js";

/** Closers, run in the reverse order of their registration; one that fails stops no other. */
export class Closers {
  readonly #closers: { readonly name: string; readonly close: () => Promise<void> | void }[] = [];
  #closing: Promise<void> = Promise.resolve();

  add(name: string, close: () => Promise<void> | void): void {
    this.#closers.push({ name, close });
  }

  /** Idempotent; a second call waits for the first. `onError` hears of each closer that fails. */
  closeAll(onError: (name: string, error: unknown) => void): Promise<void> {
    this.#closing = this.#closing.then(() => this.#closeRest(onError));
    return this.#closing;
  }

  async #closeRest(onError: (name: string, error: unknown) => void): Promise<void> {
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) {
      try {
        await closer.close();
      } catch (error) {
        onError(closer.name, error);
      }
    }
  }
}

/** What a service opens. Every port of `packages/backends` is one. */
export interface Resource {
  /** Resolves when the resource answers; throws what is wrong with it. */
  ping?(): Promise<void>;
  close(): Promise<void> | void;
}

/** What a service gets from its process. */
export interface ServiceContext {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** What the service opened; the runtime closes it. */
  readonly closers: Closers;
  /** What must work for the service to be ready; the service adds its checks. */
  readonly readiness: Map<string, HealthCheck>;
  /** What the service can do without, though less well; it shows in `/readyz` and stops nothing. */
  readonly degradation: Map<string, HealthCheck>;
  /**
   * One line for a resource: it is closed with the service. `/readyz` pings it under its name if it
   * has `ping`, as a part of `degradation` where it is "optional". Default: "required". Returns the
   * resource.
   */
  readonly resource: <Opened extends Resource>(
    name: string,
    resource: Opened,
    need?: "required" | "optional",
  ) => Opened;
  /** Ends the service for a reason that a restart may mend. */
  readonly fail: (error: unknown) => void;
}

export interface RunningService {
  readonly healthPort: number;
  /** Unready, then everything closed in reverse order of opening, health last. */
  close(): Promise<void>;
}

interface ServiceConfig {
  readonly HTTP_PORT: number;
  readonly LOG_LEVEL: string;
}

/** Starts one service with its health server; a start that fails leaves nothing open. */
export async function startService<Config extends ServiceConfig>(
  name: string,
  config: Config,
  start: (config: Config, context: ServiceContext) => Promise<void>,
  fail: (error: unknown) => void,
): Promise<RunningService & { readonly logger: Logger }> {
  const logger = createLogger(name, config.LOG_LEVEL);
  const metrics = createMetrics(name);
  const closers = new Closers();
  const readiness = new Map<string, HealthCheck>();
  const degradation = new Map<string, HealthCheck>();
  readiness.set("start", () => {
    throw new Error("not started yet");
  });
  const health = await startHealthServer({
    port: config.HTTP_PORT,
    metrics,
    readiness,
    degradation,
  });
  closers.add("health", () => health.close());
  const close = async (): Promise<void> => {
    health.markUnready();
    await closers.closeAll((part, error) =>
      logger.warn({ part, error: describeError(error) }, "a part did not close cleanly"),
    );
  };
  const resource: ServiceContext["resource"] = (name, opened, need = "required") => {
    closers.add(name, () => opened.close());
    const checks = need === "required" ? readiness : degradation;
    if (opened.ping !== undefined) checks.set(name, () => opened.ping?.());
    return opened;
  };
  try {
    await start(config, { logger, metrics, closers, readiness, degradation, resource, fail });
  } catch (error) {
    await close();
    throw error;
  }
  readiness.delete("start");
  logger.info({ healthPort: health.port }, "started");
  return { healthPort: health.port, close, logger };
}

/**
 * The whole life of a service's process: configuration, start, SIGTERM or SIGINT (or `fail`), close.
 * Exit status: 0 after a signal, 2 for a wrong configuration (one line per mistake on stderr), 1 for
 * a failed start, a failure or an end that takes longer than SHUTDOWN_SECONDS. The first signal
 * counts, during the start too; a second one changes nothing, since npm and a terminal both send one.
 */
export async function runService<
  Config extends ServiceConfig & { readonly SHUTDOWN_SECONDS: number },
>(
  name: string,
  readServiceConfig: () => Config,
  start: (config: Config, context: ServiceContext) => Promise<void>,
): Promise<never> {
  const end = Promise.withResolvers<{ readonly signal: string } | { readonly error: unknown }>();
  let config: Config;
  let service: Awaited<ReturnType<typeof startService>>;
  try {
    config = readServiceConfig();
    const endWithin = deadline(config.SHUTDOWN_SECONDS);
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        endWithin(signal);
        end.resolve({ signal });
      });
    }
    const fail = (error: unknown): void => {
      endWithin(describeError(error));
      end.resolve({ error });
    };
    const startOrClose = async (ready: Config, context: ServiceContext): Promise<void> => {
      try {
        await start(ready, context);
      } catch (error) {
        // What was opened is closed now, and that must not wait for ever either.
        endWithin(describeError(error));
        throw error;
      }
    };
    service = await startService(name, config, startOrClose, fail);
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    process.exit(error instanceof ConfigError ? 2 : 1);
  }
  const { logger } = service;
  const reason = await end.promise;
  if ("error" in reason) logger.error({ error: describeError(reason.error) }, "failed, closing");
  else logger.info(reason, "closing");
  await service.close();
  process.exit("error" in reason ? 1 : 0);
}

/** Ends the process `seconds` after the first call, whatever still goes on. */
function deadline(seconds: number): (reason: string) => void {
  let timer: NodeJS.Timeout | undefined;
  return (reason) => {
    timer ??= setTimeout(() => {
      process.stderr.write(`${reason}: closing took more than ${seconds} s and was cut short\n`);
      process.exit(1);
    }, seconds * 1000);
  };
}
