/** Methods whose interests are learned on top of the learned vectors; for ordered histories. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { identityRanking, learnIdentity } from "../learn/learn-identity.js";
import { choosePopularity } from "../learn/learn-interests.js";
import { learnSequence, sequenceRanking } from "../learn/learn-sequence.js";
import type { Prepared } from "../representation/prepare.js";
import type { ScorerFor } from "../scoring/choose.js";
import { HISTORY_POLICIES, plainHistoryPoliciesOf } from "../scoring/history-policies.js";
import { measure, mergeRuns } from "../scoring/method-result.js";
import type { MethodResult } from "../scoring/method-result.js";

/**
 * Interests with item-identity codes, without and with a transformer on top. Both are chosen on the
 * unmasked validation ranking.
 */
export function* sequenceResults(
  prepared: Prepared,
  runs: readonly Matrix[],
  report: (line: string) => void,
): Generator<MethodResult> {
  if (!prepared.dataset.ordered || runs.length === 0) return;
  const coded = runs.map((vectors) => learnIdentity(prepared, vectors));
  yield* interestResults(
    prepared,
    "full, own code",
    coded.map((interests) => ({
      name: `decay ${interests.decay}, push ${interests.identity.suppression}`,
      ranking: (popularity) => identityRanking(prepared, interests, popularity),
    })),
  );
  const models = coded.map((interests, run) =>
    learnSequence(prepared, interests, { seed: run + 1, report }),
  );
  yield* interestResults(
    prepared,
    "full, sequence",
    models.map((model) => ({
      name: `push ${model.shape.identity!.suppression}`,
      ranking: (popularity) => sequenceRanking(prepared, model, popularity),
    })),
  );
}

interface ChosenInterests {
  readonly name: string;
  readonly ranking: (popularity: number) => ScorerFor;
}

function* interestResults(
  prepared: Prepared,
  method: string,
  runs: readonly ChosenInterests[],
): Generator<MethodResult> {
  for (const policy of plainHistoryPoliciesOf(prepared.dataset)) {
    const results = runs.map(({ name, ranking }) => {
      const popularity = choosePopularity(prepared, ranking, HISTORY_POLICIES[policy]);
      const chosen = `${name}, popularity ${popularity}`;
      return measure(prepared, method, policy, chosen, ranking(popularity));
    });
    yield mergeRuns(results);
  }
}
