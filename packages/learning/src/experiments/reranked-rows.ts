/** Rows of the quality table that rank twice. */
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { FUSED_SPACE } from "@marquetry/model/ranking/reranker";
import { popularityScore } from "@marquetry/model/ranking";
import { largestOf, servedWeights } from "../bundle/trained-bundle.js";
import { evaluationCaseOf } from "../dataset/dataset.js";
import { metricsOf } from "../scoring/choose.js";
import type { Csr } from "../linear-algebra/csr.js";
import { popularityFloor } from "../scoring/pooled.js";
import type { Row } from "./report.js";
import { itemNeighbours, neighboursIn } from "../representation/item-neighbours.js";
import { fitReranker } from "../reranking/fit-reranker.js";
import type { FittedReranker, RerankerValidation } from "../reranking/fit-reranker.js";
import { rerankedScorer, vectorsBySpace } from "../reranking/reranked.js";
import type { BaseRanking } from "../reranking/reranked.js";
import { chooseRanking, rankingOf } from "../scoring/ranking.js";
import type { LearnedUsers, RankingSettings } from "../scoring/ranking.js";
import { RERANKED, HISTORY_POLICIES, together } from "./methods.js";
import type { Prepared } from "../representation/prepare.js";

/** The learned model, re-ranked, one run per seed; no row where there is no re-ranker. */
export function* rerankedRows(prepared: Prepared, learned: readonly Matrix[]): Generator<Row> {
  const { dataset, counts } = prepared;
  const rows: Row[] = [];
  for (const vectors of learned) {
    const fitted = fittedTo(prepared, vectors);
    if (fitted === undefined) return;
    const { ranking, base } = fitted;
    const scorerFor = rerankedScorer(base, fitted.model);
    const evaluationCase = evaluationCaseOf(dataset, "test");
    const metrics = metricsOf(
      dataset,
      counts,
      evaluationCase,
      scorerFor,
      HISTORY_POLICIES.unmasked,
    );
    const chosen = `decay ${ranking.decay}, popularity ${ranking.popularity}, ${described(fitted.validation)}`;
    rows.push({ method: "re-ranked", rule: "unmasked", runs: [metrics], chosen: [chosen] });
  }
  if (rows.length === 0) return;
  yield { ...together(rows), beyondPublished: RERANKED };
}

export interface FittedRanking extends FittedReranker {
  /** The ranking before it. */
  readonly ranking: RankingSettings;
  readonly base: BaseRanking;
  /** Of the training part, which `base` has too. */
  readonly neighbours: Csr;
}

/**
 * A re-ranker for the learned vectors. The ranking before it is chosen with own products pushed
 * down, which it does too. Where histories have no order the last behaviours mean nothing, and there
 * is none.
 */
export function fittedTo(
  prepared: Prepared,
  vectors: Matrix,
  users?: LearnedUsers,
): FittedRanking | undefined {
  const { dataset, counts, features } = prepared;
  const { train } = dataset.splits;
  if (!dataset.ordered) return undefined;
  const ranking = chooseRanking(
    prepared,
    vectors,
    HISTORY_POLICIES["own-penalty"],
    undefined,
    users,
  );
  const neighbours = itemNeighbours(train, counts.length);
  const base = baseRanking(prepared, vectors, ranking, { users, neighbours });
  const fitted = fitReranker(base, dataset, counts, Object.keys(features));
  return fitted && { ...fitted, ranking, base, neighbours };
}

function described({ recall, ndcg }: RerankerValidation): string {
  return `two-fold validation R ${recall.toFixed(4)} N ${ndcg.toFixed(4)}`;
}

/**
 * The learned vectors as services rank by them.
 * @param neighbours of the training part; without them nothing is a neighbour of anything
 */
export function baseRanking(
  prepared: Prepared,
  vectors: Matrix,
  ranking: RankingSettings,
  {
    users,
    neighbours,
  }: { readonly users?: LearnedUsers | undefined; readonly neighbours?: Csr } = {},
): BaseRanking {
  const { counts, features } = prepared;
  const most = largestOf(counts);
  const floor = popularityFloor(counts);
  return {
    scorerFor: rankingOf(prepared, vectors, users)(ranking),
    weights: servedWeights(ranking, counts),
    popularity: counts.map((count) => popularityScore(Math.max(count, floor), most)),
    vectorOf: vectorsBySpace({ ...features, [FUSED_SPACE]: vectors }),
    neighboursOf: neighbours && neighboursIn(neighbours),
  };
}
