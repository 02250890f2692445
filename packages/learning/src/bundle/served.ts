/** Ranking by a bundle with the very functions that services call. */
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import type { Bundle } from "@marquetry/model/bundle";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { neighboursById } from "@marquetry/model/ranking/neighbours";
import type { NeighboursOf } from "@marquetry/model/ranking/neighbours";
import { popularityScore } from "@marquetry/model/ranking";
import { FUSED_SPACE } from "@marquetry/model/ranking/reranker";
import { poolMultiInterest } from "@marquetry/model/interests/multi-interest";
import { applyTower } from "@marquetry/model/similarity";
import type { SimilarityModel } from "@marquetry/model/similarity";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { BundleFolder } from "./bundle-folder.js";
import { interactionsOf } from "../dataset/interactions.js";
import type { CollaborativeModality } from "./distil.js";
import { fusedVectors } from "./exported.js";
import type { InterestsOf } from "./exported.js";
import { rowOf } from "../linear-algebra/rows.js";
import { rerankedScorer, vectorsBySpace } from "../reranking/reranked.js";
import { freshnessAt } from "../scoring/evaluated-at.js";
import type { EvaluatedAt } from "../scoring/evaluated-at.js";
import type { ScorerFor } from "../scoring/choose.js";
import { addPrior, nearestScores } from "../scoring/pooled.js";
import { largestOf } from "../scoring/served-weights.js";

export interface ServedOptions {
  /** Of `graphInterests`; a bundle with a sequence model needs it. */
  readonly interestsOf?: InterestsOf | undefined;
  /** Default: freshness counts nothing. */
  readonly times?: EvaluatedAt | undefined;
  /** Default: those of `fusedVectors`. */
  readonly vectors?: Matrix;
}

/**
 * score = w_s max_k u_k'v + w_p popularity + w_f freshness, with products fused and histories pooled by
 * packages/model; then re-ranked where the bundle has a re-ranker.
 * @param features vectors of the bundle's encoders, one row per product
 * @param counts by product
 * @throws MarquetryError `invalid` where the bundle wants an encoder or dimensions that the features
 *   do not have, or another similarity than the dot product
 */
export function servedScorer(
  folder: BundleFolder,
  features: Readonly<Record<string, Matrix>>,
  counts: Float64Array,
  { interestsOf, times, vectors: fused }: ServedOptions = {},
): ScorerFor {
  const { bundle, collaborative } = folder;
  const { similarity } = bundle;
  if (similarity.kind !== "dot" && similarity.kind !== "two-tower") {
    const message = `bundle ${bundle.id}: expected similarity dot or two-tower, got ${similarity.kind}`;
    throw new MarquetryError("invalid", message);
  }
  const vectors = fused ?? fusedVectors(folder, features, counts.length);
  const items = towered(similarity, "item", vectors);
  const { weights, popularityFloor = 0 } = bundle.ranking;
  const most = largestOf(counts);
  const popularity = counts.map((count) => Math.max(popularityScore(count, most), popularityFloor));
  const prior = popularity.map((score) => weights.popularity * score);
  const of: InterestsOf =
    interestsOf ??
    ((history, actions) =>
      poolMultiInterest(bundle.interests, interactionsOf(vectors, history, actions)));
  const scorerFor: ScorerFor = (histories, actions) => (users) => {
    const interests = Array.from(users, (user) => of(histories[user]!, actions?.[user]));
    const scores = nearestScores(interests, items, (rows) => towered(similarity, "user", rows));
    for (let i = 0; i < scores.data.length; i += 1) scores.data[i]! *= weights.similarity;
    addPrior(scores, prior);
    if (times !== undefined && weights.freshness > 0) addFreshness(scores, users, times, bundle);
    return scores;
  };
  if (bundle.reranker === undefined) return scorerFor;
  const vectorOf = vectorsBySpace({
    ...features,
    [COLLABORATIVE]: rowPerProduct(collaborative, counts.length),
    [FUSED_SPACE]: vectors,
  });
  const neighboursOf = neighboursByNumber(folder);
  return rerankedScorer(
    { scorerFor, weights, popularity, vectorOf, neighboursOf },
    bundle.reranker,
  );
}

function addFreshness(
  scores: Matrix,
  users: Int32Array,
  times: EvaluatedAt,
  { ranking: { weights, freshnessHalfLifeMs } }: Bundle,
): void {
  for (const [i, user] of users.entries()) {
    const row = rowOf(scores, i);
    for (let item = 0; item < row.length; item += 1) {
      row[item]! += weights.freshness * freshnessAt(times, user, item, freshnessHalfLifeMs);
    }
  }
}

/** The bundle's neighbours as services read them, those that the dataset has. */
function neighboursByNumber({ bundle, itemIds }: BundleFolder): NeighboursOf<number> | undefined {
  if (bundle.neighbours === undefined) return undefined;
  const byId = neighboursById(bundle.neighbours);
  const numberOf = new Map(itemIds.map((id, item) => [id, item]));
  return (item) =>
    Array.from(byId(itemIds[item]!) ?? []).flatMap(([id, weight]) => {
      const other = numberOf.get(id);
      return other === undefined ? [] : [[other, weight] as const];
    });
}

/** Zeros for a product without collaborative vector. */
function rowPerProduct({ items, vectors }: CollaborativeModality, itemCount: number): Matrix {
  const rows = matrix(itemCount, vectors.cols);
  for (const [place, item] of items.entries()) rowOf(rows, item).set(rowOf(vectors, place));
  return rows;
}

/** The rows through one side's tower; zero rows, which have no direction, stay zero. */
function towered(similarity: SimilarityModel, side: "user" | "item", rows: Matrix): Matrix {
  if (similarity.kind !== "two-tower") return rows;
  const { [side]: layer, normaliseOutput } = similarity;
  const projected = matrix(rows.rows, layer?.weight.rows ?? rows.cols);
  for (let i = 0; i < rows.rows; i += 1) {
    const row = rowOf(rows, i);
    if (row.every((x) => x === 0)) continue;
    rowOf(projected, i).set(applyTower(layer, normaliseOutput, row));
  }
  return projected;
}
