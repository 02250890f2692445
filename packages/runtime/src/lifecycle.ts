/** Start and end of a process: what was opened last is closed first, and nothing waits for ever. */
import { ConfigError } from "./config.js";
import { describeError } from "./errors.js";
import type { Logger } from "./logger.js";

/** Something that runs until it is closed. */
export interface Running {
  close(): Promise<void>;
}

/** Closers, run in the reverse order of their registration; one that fails stops no other. */
export class Closers {
  readonly #closers: { readonly name: string; readonly close: () => Promise<void> | void }[] = [];

  add(name: string, close: () => Promise<void> | void): void {
    this.#closers.push({ name, close });
  }

  /** Idempotent. `onError` hears of each closer that fails. */
  async closeAll(onError: (name: string, error: unknown) => void): Promise<void> {
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) {
      try {
        await closer.close();
      } catch (error) {
        onError(closer.name, error);
      }
    }
  }
}

/**
 * Runs a service until SIGTERM or SIGINT (or until it ends by `failed`), then closes it. A wrong
 * configuration ends the process with status 2 and one line per mistake on stderr; a failed start
 * with status 1; a close that takes longer than `shutdownSeconds` is cut short with status 1.
 */
export async function runService(
  start: (fail: (error: unknown) => void) => Promise<{
    readonly running: Running;
    readonly logger: Logger;
    readonly shutdownSeconds: number;
  }>,
): Promise<never> {
  let end: (reason: { signal: string } | { error: unknown }) => void = () => {};
  const ended = new Promise<{ signal: string } | { error: unknown }>((resolve) => {
    end = resolve;
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => end({ signal }));

  const { running, logger, shutdownSeconds } = await start((error) => end({ error })).catch(exitOnFailedStart);
  const reason = await ended;
  if ("error" in reason) logger.error({ reason: describeError(reason.error) }, "service failed, closing");
  else logger.info(reason, "closing");
  setTimeout(() => {
    logger.error({ shutdownSeconds }, "closing took too long, forced");
    process.exit(1);
  }, shutdownSeconds * 1000).unref();
  await running.close();
  logger.info({}, "closed");
  process.exit("error" in reason ? 1 : 0);
}

function exitOnFailedStart(error: unknown): never {
  process.stderr.write(`${error instanceof ConfigError ? error.message : describeError(error)}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}
