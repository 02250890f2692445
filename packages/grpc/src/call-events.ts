/** What an operator sees of the calls of any of our services. */
import { describeError } from "@marquetry/runtime/errors";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";

export interface CallEvents {
  callAnswered(method: string, status: string, seconds: number): void;
  /** A mistake of ours, or data that is not what it should be. */
  callFailed(method: string, error: unknown): void;
}

const SECONDS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

export function createCallEvents({
  logger,
  metrics,
}: Pick<ServiceContext, "logger" | "metrics">): CallEvents {
  const calls = metrics.histogram("call_seconds", "Calls by method and status", SECONDS, [
    "method",
    "status",
  ]);
  return {
    callAnswered(method, status, seconds) {
      calls.observe({ method, status }, seconds);
    },
    callFailed(method, error) {
      logger.error({ method, error: describeError(error) }, "call failed");
    },
  };
}
