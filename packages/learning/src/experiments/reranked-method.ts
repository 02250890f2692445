/** The learned model, re-ranked. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { fitReranking } from "../learn/fit-reranking.js";
import type { FittedRanking } from "../learn/fit-reranking.js";
import type { Prepared } from "../representation/prepare.js";
import { rerankedScorer } from "../reranking/reranked.js";
import { measure, mergeRuns, RERANKED } from "../scoring/method-result.js";
import type { MethodResult } from "../scoring/method-result.js";
import { settingsText } from "./vector-methods.js";

/** One run per seed; nothing where there is no re-ranker. */
export function* rerankedResults(
  prepared: Prepared,
  learned: readonly Matrix[],
): Generator<MethodResult> {
  const results: MethodResult[] = [];
  for (const vectors of learned) {
    const fitted = fitReranking(prepared, vectors);
    if (fitted === undefined) return;
    const scorerFor = rerankedScorer(fitted.base, fitted.model);
    results.push(measure(prepared, "re-ranked", "unmasked", chosenText(fitted), scorerFor));
  }
  if (results.length === 0) return;
  yield { ...mergeRuns(results), beyondPublished: RERANKED };
}

function chosenText({ ranking, validation: { recall, ndcg } }: FittedRanking): string {
  const validation = `two-fold validation R ${recall.toFixed(4)} N ${ndcg.toFixed(4)}`;
  return `${settingsText(ranking)}, ${validation}`;
}
