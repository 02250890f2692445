import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { describeError } from "@marquetry/runtime/errors";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";

/** What happens in the gateway that an operator wants to see: one function each. */
export type RankingGatewayEvents = ReturnType<typeof createRankingGatewayEvents>;

export function createRankingGatewayEvents({
  logger,
  metrics,
}: Pick<ServiceContext, "logger" | "metrics">) {
  const degraded = metrics.counter(
    "degraded_answers_total",
    "Answers that are less than the best",
    ["reason"],
  );
  return {
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
