/** Methods without vectors: what everybody compares with. */
import { itemKnnScorer, easeScorer } from "../scoring/baselines.js";
import { choose } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import { HISTORY_POLICIES, plainHistoryPoliciesOf } from "../scoring/history-policies.js";
import { measure } from "../scoring/method-result.js";
import type { MethodResult } from "../scoring/method-result.js";
import { addPrior, popularityPrior } from "../scoring/pooled.js";
import type { RankingSettings } from "../scoring/ranking.js";
import { coOccurrence } from "../representation/co-occurrence.js";
import type { Prepared } from "../representation/prepare.js";
import { settingsText } from "./vector-methods.js";

export function* itemKnnResults(prepared: Prepared): Generator<MethodResult> {
  const { dataset, counts } = prepared;
  const similar = coOccurrence(dataset.splits.train, dataset.itemIds.length);
  const neighbours =
    ({ decay, popularity }: RankingSettings): ScorerFor =>
    (histories) => {
      const scorer = itemKnnScorer(similar, histories, decay);
      const prior = popularityPrior(counts, popularity);
      return (users) => addPrior(scorer(users), prior);
    };
  const candidates = (dataset.ordered ? [0.5, 0.7] : [1]).flatMap((decay) =>
    [0, 1e-4, 0.01, 0.03, 0.1, 0.3, 1].map((popularity) => ({ decay, popularity })),
  );
  for (const policy of plainHistoryPoliciesOf(dataset)) {
    const { settings } = choose(dataset, counts, candidates, neighbours, HISTORY_POLICIES[policy]);
    yield measure(prepared, "item-knn", policy, settingsText(settings), neighbours(settings));
  }
}

/** Inverts a matrix of all products by all products. */
export function* easeResults(prepared: Prepared): Generator<MethodResult> {
  const { dataset, counts } = prepared;
  const similar = coOccurrence(dataset.splits.train, dataset.itemIds.length);
  const scorers = new Map([10, 100, 1000].map((lambda) => [lambda, easeScorer(similar, lambda)]));
  for (const policy of plainHistoryPoliciesOf(dataset)) {
    const { settings } = choose(
      dataset,
      counts,
      [...scorers.keys()],
      (lambda) => scorers.get(lambda)!,
      HISTORY_POLICIES[policy],
    );
    yield measure(prepared, "ease", policy, `lambda ${settings}`, scorers.get(settings)!);
  }
}
