/** What every consumer shows its operator: retries, dead letters, lag, and whether it runs. */
import { describeError } from "@marquetry/runtime/errors";
import type { Logger } from "@marquetry/runtime/logger";
import type { Metrics } from "@marquetry/runtime/telemetry";
import type { Consumer, ConsumeOptions } from "./event-bus.js";

/** The observing half of ConsumeOptions, as logs and metrics. */
export function observeDelivery(
  logger: Logger,
  metrics: Metrics,
): Pick<ConsumeOptions, "onRetry" | "onDeadLetter"> {
  const retries = metrics.counter("batch_retries_total", "Failed attempts to handle a batch");
  const deadLetters = metrics.counter(
    "dead_letters_total",
    "Records written to a dead-letter topic",
  );
  return {
    onRetry(error, attempt) {
      retries.inc({});
      logger.warn({ error: describeError(error), attempt }, "batch failed, trying again");
    },
    onDeadLetter({ record: { topic, partition, offset }, cause }) {
      deadLetters.inc({});
      logger.warn({ topic, partition, offset: String(offset), cause }, "record dead-lettered");
    },
  };
}

export function observeLag(consumer: Consumer, metrics: Metrics): void {
  metrics.gauge("consumer_lag_records", "Records not yet settled", async () =>
    // A scrape while the bus is away shows no number rather than a wrong one.
    consumer.lag().then(Number, () => Number.NaN),
  );
}

/** Throws what keeps the consumer from working; a readiness check. */
export function assertRunning(consumer: Consumer): void {
  const { state, error } = consumer.status();
  if (state !== "running") throw new Error(error === undefined ? state : `${state}: ${error}`);
}
