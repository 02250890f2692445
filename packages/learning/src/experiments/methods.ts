/** The methods of the quality table. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import type { BundleFolder } from "../bundle/bundle-folder.js";
import { evaluationCaseOf } from "../dataset/dataset.js";
import { evaluatedAt } from "../scoring/evaluated-at.js";
import { easeScorer, itemKnnScorer, popularityScorer } from "../scoring/baselines.js";
import { choose, metricsOf } from "../scoring/choose.js";
import { coldProductMetrics, withColdProducts } from "./cold-products.js";
import type { MetricsAt } from "../scoring/metrics.js";
import type { ScorerFor } from "../scoring/choose.js";
import { addPrior, popularityPrior } from "../scoring/pooled.js";
import type { Row, HistoryPolicyName } from "./report.js";
import {
  fusedVectors,
  graphInterests,
  servedScorer,
  withImputedCollaborative,
} from "../bundle/served.js";
import type { HistoryPolicy } from "../scoring/top-lists.js";
import { besideRows, normaliseRows } from "../linear-algebra/rows.js";
import { coOccurrence } from "../representation/co-occurrence.js";
import { behaviourOf, closedForm, learnVectors } from "../learn/learn.js";
import { chooseRanking, rankingOf, usersOf } from "../scoring/ranking.js";
import type { LearnedFusion } from "../learn/learn.js";
import type { LearnedUsers, RankingSettings } from "../scoring/ranking.js";
import {
  choosePopularity,
  identityRanking,
  learnIdentity,
  learnSequence,
  sequenceRanking,
} from "../learn/learn-sequence.js";
import type { Prepared } from "../representation/prepare.js";

export const HISTORY_POLICIES: Readonly<Record<HistoryPolicyName, HistoryPolicy>> = {
  masked: { masked: true },
  unmasked: { masked: false },
  "own-penalty": { masked: false, penalty: 0.4 },
};

/** What a re-ranked row must say. */
export const RERANKED =
  "weights fitted on validation targets; own-history handling, which published models lack";

export function historyPoliciesOf({ dataset }: Prepared): readonly HistoryPolicyName[] {
  return dataset.ordered ? ["unmasked", "masked", "own-penalty"] : ["masked"];
}

/** Without the rule that only served answers have. */
function plainHistoryPoliciesOf(prepared: Prepared): readonly HistoryPolicyName[] {
  return historyPoliciesOf(prepared).filter((rule) => rule !== "own-penalty");
}

/** The order by how many had a product: what every other metric stands beside. */
export function* popularityRows(prepared: Prepared): Generator<Row> {
  for (const rule of historyPoliciesOf(prepared)) {
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
  for (const rule of plainHistoryPoliciesOf(prepared)) {
    const { settings } = choose(dataset, counts, candidates, neighbours, HISTORY_POLICIES[rule]);
    yield rowOf(prepared, "item-knn", rule, described(settings), neighbours(settings));
  }
}

/** Inverts a matrix of all products by all products. */
export function* easeRows(prepared: Prepared): Generator<Row> {
  const { dataset, counts } = prepared;
  const similar = coOccurrence(dataset.splits.train, dataset.itemIds.length);
  const scorers = new Map([10, 100, 1000].map((lambda) => [lambda, easeScorer(similar, lambda)]));
  for (const rule of plainHistoryPoliciesOf(prepared)) {
    const { settings } = choose(
      dataset,
      counts,
      [...scorers.keys()],
      (lambda) => scorers.get(lambda)!,
      HISTORY_POLICIES[rule],
    );
    yield rowOf(prepared, "ease", rule, `lambda ${settings}`, scorers.get(settings)!);
  }
}

/** Every content modality beside the others, without training. */
export function* contentRows(prepared: Prepared): Generator<Row> {
  const content = normaliseRows(besideRows(...Object.values(prepared.content)));
  for (const rule of plainHistoryPoliciesOf(prepared)) {
    yield vectorRow(prepared, "content only", rule, [content]);
  }
}

/** Who had the products, in closed form. */
export function* behaviourOnlyRows(prepared: Prepared): Generator<Row> {
  const { dataset } = prepared;
  const behaviour = behaviourOf(dataset.splits.train, dataset.itemIds.length);
  for (const rule of plainHistoryPoliciesOf(prepared)) {
    yield vectorRow(prepared, "behaviour only", rule, [behaviour]);
  }
}

/** Fusion by concatenation: content and behaviour in closed form, nothing trained. */
export function* concatenationRows(prepared: Prepared): Generator<Row> {
  const both = closedForm(prepared);
  for (const rule of plainHistoryPoliciesOf(prepared)) {
    yield vectorRow(prepared, "concatenation", rule, [both]);
  }
}

/** One fusion model alone, by weights that are fixed or learned. */
export function* fusionRows(
  prepared: Prepared,
  method: string,
  runs: readonly LearnedFusion[],
): Generator<Row> {
  const vectors = runs.map((run) => run.vectors);
  const users = runs.map(({ shape, parameters }) => usersOf(shape, parameters));
  for (const rule of plainHistoryPoliciesOf(prepared)) {
    yield vectorRow(prepared, method, rule, vectors, { users });
  }
}

/** The learned model, one run per seed; with mean pooling beside it where histories are ordered. */
export function* learnedRows(prepared: Prepared, runs: readonly Matrix[]): Generator<Row> {
  for (const rule of historyPoliciesOf(prepared)) {
    if (prepared.dataset.ordered)
      yield vectorRow(prepared, "full, mean pooling", rule, runs, { decay: 1 });
    yield vectorRow(prepared, "full", rule, runs);
  }
}

/**
 * Interests that push own products away by a code in the vectors, without and with a transformer on
 * top; where histories are ordered. Both are chosen on the unmasked validation ranking.
 */
export function* sequenceRows(
  prepared: Prepared,
  runs: readonly Matrix[],
  report: (line: string) => void,
): Generator<Row> {
  if (!prepared.dataset.ordered || runs.length === 0) return;
  const coded = runs.map((vectors) => learnIdentity(prepared, vectors));
  yield* interestRows(
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
  yield* interestRows(
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

function* interestRows(
  prepared: Prepared,
  method: string,
  runs: readonly ChosenInterests[],
): Generator<Row> {
  for (const rule of plainHistoryPoliciesOf(prepared)) {
    const rows = runs.map(({ name, ranking }) => {
      const popularity = choosePopularity(prepared, ranking, HISTORY_POLICIES[rule]);
      const chosen = `${name}, popularity ${popularity}`;
      return rowOf(prepared, method, rule, chosen, ranking(popularity));
    });
    yield together(rows);
  }
}

/**
 * A bundle as services would use it once it is exported: behaviour of cold products imputed, products
 * fused and histories pooled as user-profile does, scores composed with its own weights; nothing is
 * chosen here.
 * @param method what the rows are called
 */
export async function bundleRows(
  prepared: Prepared,
  folder: BundleFolder,
  method = folder.bundle.id,
): Promise<Row[]> {
  const { dataset, features, counts } = prepared;
  const exported = withImputedCollaborative(folder, features, counts.length);
  const { histories } = evaluationCaseOf(dataset, "test");
  const times = dataset.dates && evaluatedAt(dataset.dates, "test");
  const vectors = fusedVectors(exported, features, counts.length);
  const interestsOf = await graphInterests(exported.bundle, vectors, histories);
  const scorerFor = servedScorer(exported, features, counts, { interestsOf, times, vectors });
  const label = folder.bundle.reranker === undefined ? {} : { beyondPublished: RERANKED };
  return historyPoliciesOf(prepared).map((rule) =>
    Object.assign(rowOf(prepared, method, rule, "as in the bundle", scorerFor), label),
  );
}

/**
 * Cold products: two rows per method and rule, over the users whose target is cold and over all.
 * Each seed has its own cold products and its own training.
 * @param share of the products that are cold
 */
export async function coldRows(
  prepared: Prepared,
  share: number,
  seeds: number,
  report: (line: string) => void,
): Promise<Row[]> {
  const rows = new Map<string, ColdRow>();
  for (let seed = 1; seed <= seeds; seed += 1) {
    const coldProducts = withColdProducts(prepared, share, seed);
    const vectors = await learnVectors(coldProducts.prepared, { seed, report });
    for (const rule of plainHistoryPoliciesOf(prepared)) {
      const ranking = chooseRanking(coldProducts.prepared, vectors, HISTORY_POLICIES[rule]);
      const metrics = await coldProductMetrics(
        coldProducts,
        vectors,
        ranking,
        HISTORY_POLICIES[rule],
      );
      for (const { method, ...parts } of metrics) {
        for (const [part, runs] of Object.entries(parts)) {
          const name = `${100 * share}% cold, ${method}, ${COLD_PARTS[part as keyof typeof parts]}`;
          const row = rows.get(`${name} ${rule}`) ?? { method: name, rule, runs: [], chosen: [] };
          rows.set(`${name} ${rule}`, row);
          row.runs.push(runs);
          row.chosen.push(described(ranking));
        }
      }
    }
  }
  return [...rows.values()];
}

interface ColdRow extends Row {
  readonly runs: (readonly MetricsAt[])[];
  readonly chosen: string[];
}

const COLD_PARTS = { cold: "cold targets", overall: "all targets" } as const;

interface VectorRowOptions {
  /** Fixed; chosen on the validation part where absent. */
  readonly decay?: number;
  /** One per run; users are pooled by recency alone where absent. */
  readonly users?: readonly LearnedUsers[];
}

export function vectorRow(
  prepared: Prepared,
  method: string,
  rule: HistoryPolicyName,
  runs: readonly Matrix[],
  { decay, users }: VectorRowOptions = {},
): Row {
  const rows = runs.map((vectors, i) => {
    const learned = users?.[i];
    const chosen = chooseRanking(prepared, vectors, HISTORY_POLICIES[rule], decay, learned);
    const scorerFor = rankingOf(prepared, vectors, learned)(chosen);
    return rowOf(prepared, method, rule, described(chosen), scorerFor);
  });
  return together(rows);
}

/** Runs of one method under one rule as one row. @param rows at least one */
export function together(rows: readonly Row[]): Row {
  return {
    ...rows[0]!,
    runs: rows.flatMap((row) => row.runs),
    chosen: rows.flatMap((row) => row.chosen),
  };
}

function rowOf(
  { dataset, counts }: Prepared,
  method: string,
  rule: HistoryPolicyName,
  chosen: string,
  scorerFor: ScorerFor,
): Row {
  const evaluationCase = evaluationCaseOf(dataset, "test");
  const metrics = metricsOf(dataset, counts, evaluationCase, scorerFor, HISTORY_POLICIES[rule]);
  return { method, rule, runs: [metrics], chosen: [chosen] };
}

function described({ decay, popularity }: RankingSettings): string {
  return `decay ${decay}, popularity ${popularity}`;
}
