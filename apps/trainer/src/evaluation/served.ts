/** Ranking by a bundle with the very functions that services call. */
import type { Bundle } from "@marquetry/model/bundle";
import { fuse } from "@marquetry/model/fusion";
import { pool } from "@marquetry/model/interests";
import { matrix } from "@marquetry/model/matrix";
import type { Matrix } from "@marquetry/model/matrix";
import { popularityScore } from "@marquetry/model/ranking";
import { FUSED_SPACE } from "@marquetry/model/reranker";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { BundleFolder } from "../bundle/bundle-folder.js";
import { DATASET_ACTION, modalityVectors } from "../bundle/trained-bundle.js";
import { product } from "../linear-algebra/gemm.js";
import { rowOf } from "../linear-algebra/rows.js";
import { rerankedScorer } from "../reranking/reranked.js";
import type { ScorerFor } from "./choose.js";
import { addPrior } from "./pooled.js";

/**
 * score = w_s u'v + w_p popularity, with products fused and histories pooled by packages/model; then
 * re-ranked where the bundle has a re-ranker.
 * @param features vectors of the bundle's encoders, one row per product
 * @param counts by product
 * @throws MarquetryError `invalid` where the bundle wants an encoder or dimensions that the features
 *   do not have, or another similarity than the dot product
 */
export function servedScorer(
  { bundle, behaviour }: BundleFolder,
  features: Readonly<Record<string, Matrix>>,
  counts: Float64Array,
): ScorerFor {
  if (bundle.similarity.kind !== "dot") {
    const message = `bundle ${bundle.id}: expected similarity dot, got ${bundle.similarity.kind}`;
    throw new MarquetryError("invalid", message);
  }
  const vectorsOf = modalityVectors(features, behaviour);
  const fused = Array.from(counts, (_, item) => fuse(bundle.fusion, vectorsOf(item)));
  const dims = fused.find((vector) => vector !== undefined)?.length ?? 1;
  const vectors = matrix(fused.length, dims);
  for (const [item, vector] of fused.entries()) if (vector) rowOf(vectors, item).set(vector);
  const { weights, popularityFloor = 0 } = bundle.ranking;
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  const popularity = counts.map((count) => Math.max(popularityScore(count, most), popularityFloor));
  const prior = popularity.map((score) => weights.popularity * score);
  const scorerFor: ScorerFor = (histories) => (users) => {
    const interests = matrix(users.length, dims);
    for (const [i, user] of users.entries()) {
      const interest = interestOf(bundle, vectors, histories[user]!);
      if (interest) rowOf(interests, i).set(interest);
    }
    const scores = product(interests, vectors, { transposeB: true });
    for (let i = 0; i < scores.data.length; i += 1) scores.data[i]! *= weights.similarity;
    return addPrior(scores, prior);
  };
  if (bundle.reranker === undefined) return scorerFor;
  const vectorOf = (space: string, item: number): Float32Array | undefined =>
    space === FUSED_SPACE ? fused[item] : vectorsOf(item)[space];
  return rerankedScorer({ scorerFor, weights, popularity, vectorOf }, bundle.reranker);
}

function interestOf(
  { interests }: Bundle,
  vectors: Matrix,
  history: Int32Array,
): Float32Array | undefined {
  return pool(
    interests,
    Array.from(history, (item, t) => ({
      vector: rowOf(vectors, item),
      action: DATASET_ACTION,
      occurredAtMs: t,
    })),
  );
}
