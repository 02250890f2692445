/** What every consumer of a service shows its operator: retries, dead letters, lag, and whether it
 * runs. */
import { describeError } from "@marquetry/runtime/errors";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { Consumer, ConsumeOptions, EventBus } from "./event-bus.js";

/**
 * Consumes on behalf of a service: as logs and metrics what happens, as a readiness check whether
 * the consumer runs, and the service ends where the consumer has failed for good.
 */
export async function consumeObserved(
  bus: EventBus,
  options: Pick<ConsumeOptions, "topic" | "group" | "handler" | "batchRecordsMax">,
  { logger, metrics, readiness, fail }: ServiceContext,
): Promise<Consumer> {
  const retries = metrics.counter("batch_retries_total", "Failed attempts to handle a batch");
  const deadLetters = metrics.counter(
    "dead_letters_total",
    "Records written to a dead-letter topic",
  );
  const consumer = await bus.consume({
    ...options,
    onRetry(error, attempt) {
      retries.inc({});
      logger.warn({ error: describeError(error), attempt }, "batch failed, trying again");
    },
    onDeadLetter({ record: { topic, partition, offset }, cause }) {
      deadLetters.inc({});
      logger.warn({ topic, partition, offset: String(offset), cause }, "record dead-lettered");
    },
    onFailed: fail,
  });
  metrics.gauge("consumer_lag_records", "Records not yet settled", async () =>
    // A scrape while the bus is away shows no number rather than a wrong one.
    consumer.lag().then(Number, () => Number.NaN),
  );
  readiness.set("consumer", () => assertRunning(consumer));
  return consumer;
}

/** Throws what keeps the consumer from working. */
function assertRunning(consumer: Consumer): void {
  const { state, error } = consumer.status();
  if (state !== "running") throw new Error(error === undefined ? state : `${state}: ${error}`);
}
