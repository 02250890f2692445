/** What every consumer of a service shows its operator: retries, dead letters, lag, and whether it
 * runs. */
import { describeError } from "@marquetry/runtime/errors";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { Consumer, ConsumeOptions, EventBus } from "./event-bus.js";

/** The names under which an operator finds a consumer. */
interface ConsumerNames {
  /** Of its readiness check. Default: `consumer`. */
  readonly check?: string;
  /**
   * Name and help of the gauge of the records that wait for it; no gauge where it is false. Default:
   * `consumer_lag_records`.
   */
  readonly lag?: readonly [name: string, help: string] | false;
}

type ConsumeObserved = (options: ConsumeOptions, names?: ConsumerNames) => Promise<Consumer>;

const LAG = ["consumer_lag_records", "Records not yet settled"] as const;

/**
 * Consumes on behalf of a service: what happens shows in logs and metrics, whether each consumer
 * runs in a readiness check, and the service ends where one has failed for good.
 */
export function observeConsumers(
  bus: EventBus,
  { logger, metrics, readiness, fail }: ServiceContext,
): ConsumeObserved {
  const retries = metrics.counter("batch_retries_total", "Failed attempts to handle a batch");
  const deadLetters = metrics.counter(
    "dead_letters_total",
    "Records written to a dead-letter topic",
  );
  return async (options, { check = "consumer", lag = LAG } = {}) => {
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
    if (lag !== false) {
      // A scrape while the bus is unavailable shows no number rather than a wrong one.
      metrics.gauge(...lag, () => consumer.lag().then(Number, () => Number.NaN));
    }
    readiness.set(check, () => assertRunning(consumer));
    return consumer;
  };
}

/** Throws what keeps the consumer from working. */
function assertRunning(consumer: Consumer): void {
  const { state, error } = consumer.status();
  if (state !== "running") throw new Error(error === undefined ? state : `${state}: ${error}`);
}
