import { expect, test } from "@jest/globals";
import { DegradationReason } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { createDegraded } from "./degraded.js";

const { NO_INTEREST, PROFILE_STORE_UNAVAILABLE, RERANKER_UNAVAILABLE, UNKNOWN_USER } =
  DegradationReason;

test("reasons come in the order of their numbers, whichever was reported first", () => {
  const degraded = createDegraded();
  degraded.report(RERANKER_UNAVAILABLE, true);
  degraded.report(NO_INTEREST, true);
  degraded.report(RERANKER_UNAVAILABLE, true);
  expect(degraded.reasons()).toEqual([NO_INTEREST, RERANKER_UNAVAILABLE]);
});

test("a reason that is over by the last report is not in the answer", () => {
  const degraded = createDegraded();
  degraded.report(RERANKER_UNAVAILABLE, true);
  degraded.report(RERANKER_UNAVAILABLE, false);
  expect([degraded.has(RERANKER_UNAVAILABLE), degraded.reasons()]).toEqual([false, []]);
});

test.each([UNKNOWN_USER, NO_INTEREST])(
  "without the profile store nothing is claimed about the user (%i)",
  (reason) => {
    const degraded = createDegraded();
    degraded.report(reason, true);
    degraded.report(PROFILE_STORE_UNAVAILABLE, true);
    expect(degraded.reasons()).toEqual([PROFILE_STORE_UNAVAILABLE]);
  },
);
