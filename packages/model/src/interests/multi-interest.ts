/** Multi-interest: one interest of a user per kind of product that the history is about. */
import { effectOf, pool } from "./interests.js";
import type { InterestModel, PooledInteraction, MultiInterest } from "./interests.js";
import { matVec } from "../vectors/matrix.js";
import { dot, norm, normalise, scale, weightedSum } from "../vectors/vector.js";

/**
 * The interests of a user, `multiInterestAround` the one that `pool` gives.
 * @param interactions in any order
 * @returns vectors of shape [d]: none where `pool` gives none, and exactly its own where the model
 *   has no `multiInterest`
 * @throws as `pool`
 */
export function poolMultiInterest(
  model: InterestModel,
  interactions: readonly PooledInteraction[],
): Float32Array[] {
  const pooled = pool(model, interactions);
  return pooled === undefined ? [] : multiInterestAround(model, pooled, interactions);
}

/**
 * u_k = |g| norm(norm(g) + share * norm(W_v c_k)), with c_k the centre of the k-th cluster of the
 * positive interactions' vectors and W_v of the attention strategy, the identity elsewhere. Centres
 * start at the newest vector, then at whichever is farthest from all centres, as long as its cosine
 * with each is below `cosine` and there are fewer than `max`.
 * @param pooled g, shape [d], by whatever strategy
 * @param interactions of the same user, in any order; the order among equal times does not count
 * @returns vectors of shape [d], that of the newest interaction's cluster first; `[pooled]` where the
 *   history is about one kind of product or the model has no `multiInterest`
 * @throws RangeError where dimensions differ, an element is not finite, or an action is not listed
 */
export function multiInterestAround(
  model: InterestModel,
  pooled: Float32Array,
  interactions: readonly PooledInteraction[],
): Float32Array[] {
  const { multiInterest } = model;
  const length = norm(pooled);
  if (multiInterest === undefined || length === 0) return [pooled];
  const positive = interactions.filter(({ action }) => effectOf(model, action).sign === 1);
  const vectors = newestFirst(positive)
    .filter(({ vector }) => norm(vector) > 0)
    .map(({ vector }) => normalise(vector));
  const centres = clusterCentres(multiInterest, vectors);
  if (centres.length < 2) return [pooled];
  const value = model.strategy === "attention" ? model.value : undefined;
  const direction = normalise(pooled);
  return centres.map((centre) => {
    const own = value === undefined ? centre : matVec(value, centre);
    const unit = norm(own) === 0 ? own : normalise(own);
    return scale(normalise(weightedSum([direction, unit], [1, multiInterest.share])), length);
  });
}

/** @param vectors unit vectors, the newest first */
function clusterCentres(
  { max, cosine, rounds }: MultiInterest,
  vectors: readonly Float32Array[],
): Float32Array[] {
  let centres = vectors.slice(0, 1);
  while (centres.length > 0 && centres.length < max) {
    const farthest = leastBy(vectors, (vector) => nearestOf(centres, vector).cosine);
    if (nearestOf(centres, farthest).cosine >= cosine) break;
    centres.push(farthest);
  }
  for (let round = 0; round < rounds && centres.length > 1; round += 1) {
    const members = Map.groupBy(vectors, (vector) => nearestOf(centres, vector).at);
    centres = centres.flatMap((centre, at) => {
      const own = members.get(at);
      if (own === undefined) return [];
      const sum = weightedSum(
        own,
        own.map(() => 1),
      );
      return [norm(sum) === 0 ? centre : normalise(sum)];
    });
  }
  return centres;
}

/** The first of the nearest centres. */
function nearestOf(
  centres: readonly Float32Array[],
  vector: Float32Array,
): { readonly at: number; readonly cosine: number } {
  const cosines = centres.map((centre) => dot(centre, vector));
  const cosine = Math.max(...cosines);
  return { at: cosines.indexOf(cosine), cosine };
}

function leastBy<Item>(items: readonly Item[], by: (item: Item) => number): Item {
  return items.reduce((best, item) => (by(item) < by(best) ? item : best));
}

function newestFirst(interactions: readonly PooledInteraction[]): PooledInteraction[] {
  return interactions.toSorted(
    (a, b) => b.occurredAtMs - a.occurredAtMs || byElements(a.vector, b.vector),
  );
}

function byElements(a: Float32Array, b: Float32Array): number {
  const at = a.findIndex((x, i) => x !== b[i]);
  return at === -1 ? 0 : a[at]! - b[at]!;
}
