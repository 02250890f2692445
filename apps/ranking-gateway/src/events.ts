import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { describeError } from "@marquetry/runtime/errors";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";

/** What happens in the gateway that an operator wants to see: one function each. */
export type RankingGatewayEvents = ReturnType<typeof createRankingGatewayEvents>;

const SECONDS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

export function createRankingGatewayEvents({
  logger,
  metrics,
}: Pick<ServiceContext, "logger" | "metrics">) {
  const calls = metrics.histogram("call_seconds", "Calls by method and status", SECONDS, [
    "method",
    "status",
  ]);
  const degraded = metrics.counter(
    "degraded_answers_total",
    "Answers that are less than the best",
    ["reason"],
  );
  return {
    callAnswered(method: string, status: string, seconds: number): void {
      calls.observe({ method, status }, seconds);
    },
    callFailed(method: string, error: unknown): void {
      logger.error({ method, error: describeError(error) }, "call failed");
    },
    answerDegraded(reason: DegradationReason): void {
      degraded.inc({ reason: DegradationReason[reason].toLowerCase() });
    },
    rerankerVectorsUnavailable(error: unknown): void {
      logger.warn({ error: describeError(error) }, "vectors to re-rank by cannot be read");
    },
    profileStoreUnavailable(error: unknown): void {
      logger.warn({ error: describeError(error) }, "profile store does not answer");
    },
  };
}
