/** The methods of the quality table. */
import type { Matrix } from "@marquetry/model/matrix";
import type { BundleFolder } from "../bundle/bundle-folder.js";
import { questionOf } from "../dataset/dataset.js";
import {
  coOccurrence,
  easeScorer,
  itemKnnScorer,
  popularityScorer,
} from "../evaluation/baselines.js";
import { choose, figuresOf } from "../evaluation/choose.js";
import type { ScorerFor } from "../evaluation/choose.js";
import { addPrior, popularityPrior } from "../evaluation/pooled.js";
import type { Row, RuleName } from "../evaluation/report.js";
import { servedScorer } from "../evaluation/served.js";
import type { RankingRules } from "../evaluation/top-lists.js";
import { besideRows, normaliseRows } from "../linear-algebra/rows.js";
import { behaviourOf, chooseRanking, closedForm, rankingOf } from "./learn.js";
import type { RankingSettings } from "./learn.js";
import type { Prepared } from "./prepare.js";

export const RULES: Readonly<Record<RuleName, RankingRules>> = {
  masked: { masked: true },
  unmasked: { masked: false },
  "own-penalty": { masked: false, ownPenalty: 0.4 },
};

export function rulesOf({ dataset }: Prepared): readonly RuleName[] {
  return dataset.ordered ? ["unmasked", "masked", "own-penalty"] : ["masked"];
}

/** Without the rule that only served answers have. */
function plainRulesOf(prepared: Prepared): readonly RuleName[] {
  return rulesOf(prepared).filter((rule) => rule !== "own-penalty");
}

/** The order by how many had a product: what every other figure stands beside. */
export function* popularityRows(prepared: Prepared): Generator<Row> {
  for (const rule of plainRulesOf(prepared)) {
    yield rowOf(prepared, "popularity", rule, "nothing", () => popularityScorer(prepared.counts));
  }
}

export function* itemKnnRows(prepared: Prepared): Generator<Row> {
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
  for (const rule of plainRulesOf(prepared)) {
    const { settings } = choose(dataset, counts, candidates, neighbours, RULES[rule]);
    yield rowOf(prepared, "item-knn", rule, described(settings), neighbours(settings));
  }
}

/** Inverts a matrix of all products by all products. */
export function* easeRows(prepared: Prepared): Generator<Row> {
  const { dataset, counts } = prepared;
  const similar = coOccurrence(dataset.splits.train, dataset.itemIds.length);
  const scorers = new Map([10, 100, 1000].map((lambda) => [lambda, easeScorer(similar, lambda)]));
  for (const rule of plainRulesOf(prepared)) {
    const { settings } = choose(
      dataset,
      counts,
      [...scorers.keys()],
      (lambda) => scorers.get(lambda)!,
      RULES[rule],
    );
    yield rowOf(prepared, "ease", rule, `lambda ${settings}`, scorers.get(settings)!);
  }
}

/** Every content modality beside the others, without training. */
export function* contentRows(prepared: Prepared): Generator<Row> {
  const content = normaliseRows(besideRows(...Object.values(prepared.content)));
  for (const rule of plainRulesOf(prepared)) {
    yield vectorRow(prepared, "content only", rule, [content]);
  }
}

/** Who had the products, in closed form. */
export function* behaviourOnlyRows(prepared: Prepared): Generator<Row> {
  const { dataset } = prepared;
  const behaviour = behaviourOf(dataset.splits.train, dataset.itemIds.length);
  for (const rule of plainRulesOf(prepared)) {
    yield vectorRow(prepared, "behaviour only", rule, [behaviour]);
  }
}

/** Fusion by concatenation: content and behaviour in closed form, nothing trained. */
export function* concatenationRows(prepared: Prepared): Generator<Row> {
  const both = closedForm(prepared);
  for (const rule of plainRulesOf(prepared)) {
    yield vectorRow(prepared, "concatenation", rule, [both]);
  }
}

/** The learned model, one run per seed; with mean pooling beside it where histories are ordered. */
export function* learnedRows(prepared: Prepared, runs: readonly Matrix[]): Generator<Row> {
  for (const rule of rulesOf(prepared)) {
    if (prepared.dataset.ordered) yield vectorRow(prepared, "full, mean pooling", rule, runs, 1);
    yield vectorRow(prepared, "full", rule, runs);
  }
}

/**
 * A bundle as services would use it: products fused and histories pooled by packages/model, scores
 * composed with its own weights; nothing is chosen here.
 */
export function* bundleRows(prepared: Prepared, folder: BundleFolder): Generator<Row> {
  const scorerFor = servedScorer(folder, prepared.features, prepared.counts);
  for (const rule of rulesOf(prepared)) {
    yield rowOf(prepared, folder.bundle.id, rule, "as in the bundle", scorerFor);
  }
}

/** @param decay fixed; chosen on the validation part where absent */
export function vectorRow(
  prepared: Prepared,
  method: string,
  rule: RuleName,
  runs: readonly Matrix[],
  decay?: number,
): Row {
  const rows = runs.map((vectors) => {
    const chosen = chooseRanking(prepared, vectors, RULES[rule], decay);
    return rowOf(prepared, method, rule, described(chosen), rankingOf(prepared, vectors)(chosen));
  });
  return {
    method,
    rule,
    runs: rows.flatMap((row) => row.runs),
    chosen: rows.flatMap((row) => row.chosen),
  };
}

function rowOf(
  { dataset, counts }: Prepared,
  method: string,
  rule: RuleName,
  chosen: string,
  scorerFor: ScorerFor,
): Row {
  const question = questionOf(dataset.splits, "test");
  const figures = figuresOf(dataset, counts, question, scorerFor, RULES[rule]);
  return { method, rule, runs: [figures], chosen: [chosen] };
}

function described({ decay, popularity }: RankingSettings): string {
  return `decay ${decay}, popularity ${popularity}`;
}
