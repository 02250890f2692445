/**
 * A linear re-ranker: the best candidates of the ranking by vectors are put in order once more, by
 * what each of them has to do with each of the user's last interactions, which a pooled vector has
 * averaged away. With f the features of candidate c and w their weights,
 *
 *   score(c) = base(c) + sum_f w_f f(c),
 *
 * w fitted by a softmax over each user's candidates (listwise, Cao et al., ICML 2007). Target
 * attention (DIN, Zhou et al., KDD 2018) would learn the features too.
 *
 * Features compare vectors in spaces: "fused", and each modality as its encoder gave it. One feature
 * goes by what people had one after the other instead (item-based collaborative filtering, Sarwar et
 * al., WWW 2001; Linden et al., IEEE Internet Computing 7 (1), 2003).
 */
import type { NeighboursOf } from "./neighbours.js";
import { dot, norm } from "../vectors/vector.js";

export interface RerankerModel {
  /** How many of the best candidates are put in order again; the others stay behind them. */
  readonly candidates: number;
  /** How many of the user's last interactions count. */
  readonly historyMax: number;
  /** w_f by feature; the features that are not named have weight 0. */
  readonly features: Readonly<Record<string, number>>;
}

/** One user's interactions and candidates as a re-ranker sees them. */
export interface RerankedUser<Id extends string | number> {
  /** Products, oldest first; a product may stand in it more than once. */
  readonly history: readonly Id[];
  readonly candidates: readonly RerankedCandidate<Id>[];
  /** A product's vector in a space; undefined where there is none. */
  readonly vectorOf: (space: string, product: Id) => Float32Array | undefined;
  /** What "neighbours" goes by; without it that feature is 0. */
  readonly neighboursOf?: NeighboursOf<Id> | undefined;
}

export interface RerankedCandidate<Id extends string | number> {
  readonly product: Id;
  /** As it goes into the base score: unweighted, in [0, 1]. */
  readonly popularity: number;
}

export const FUSED_SPACE = "fused";
const NEIGHBOURS = "neighbours";
const NEIGHBOUR_DECAY = 0.8;

/**
 * Popularity, whether the candidate is in the history, whether it is the last of it, how often it
 * stands there, and how much of a neighbour it is to the interactions:
 *
 *   neighbours(c) = sum_age .8^age K(h_age, c), age 0 being the last interaction,
 *
 * with K of a product and itself 0.
 */
const CANDIDATE_FEATURES = ["popularity", "own", "own-last", "own-count", NEIGHBOURS] as const;

/**
 * Of the cosines between a candidate and the interactions, with that of a product and itself 0:
 * the largest, the second largest and that of the last interaction.
 */
const SPACE_FEATURES = ["max", "second", "last"] as const;

type CandidateFeature = (typeof CANDIDATE_FEATURES)[number];
type SpaceFeature = (typeof SPACE_FEATURES)[number];

/** Names of all features over the spaces: "own", "fused:max", "text:last", .. */
export function featureNames(spaces: readonly string[]): string[] {
  const ofSpaces = spaces.flatMap((space) => SPACE_FEATURES.map((kind) => `${space}:${kind}`));
  return [...CANDIDATE_FEATURES, ...ofSpaces];
}

/** The spaces of which these features need vectors. */
export function spacesOf(features: Iterable<string>): string[] {
  const spaces = new Set<string>();
  for (const name of features) {
    const colon = name.lastIndexOf(":");
    if (colon > 0) spaces.add(name.slice(0, colon));
  }
  return [...spaces];
}

/** Whether the model needs `RerankedUser.neighboursOf`. */
export function weighsNeighbours({ features }: RerankerModel): boolean {
  return Object.hasOwn(features, NEIGHBOURS) && features[NEIGHBOURS] !== 0;
}

/**
 * @param modalities of the fusion model
 * @throws RangeError that names the field
 */
export function assertRerankerModel(model: RerankerModel, modalities: readonly string[]): void {
  const { candidates, historyMax, features } = model;
  for (const [name, count] of Object.entries({ candidates, historyMax })) {
    if (Number.isSafeInteger(count) && count >= 1 && count <= COUNT_MAX) continue;
    throw new RangeError(`reranker.${name}: expected a whole number up to ${COUNT_MAX}`);
  }
  const known = new Set(featureNames([FUSED_SPACE, ...modalities]));
  for (const [name, weight] of Object.entries(features)) {
    if (!known.has(name)) throw new RangeError(`reranker.features.${name}: unknown feature`);
    if (!Number.isFinite(weight)) {
      throw new RangeError(`reranker.features.${name}: expected a number, got ${weight}`);
    }
  }
}

/** Work per answer grows with the product of both. */
const COUNT_MAX = 1_000;

/**
 * Features of every candidate; O(candidates x interactions x dimensions). What cannot be computed, for
 * want of a vector, of interactions or of neighbours, is 0.
 * @param names of features, as `featureNames` gives them
 * @returns shape [candidates, features], row-major
 * @throws RangeError for a name that is no feature, or where vectors of one space differ in length
 */
export function rerankerFeatures<Id extends string | number>(
  user: RerankedUser<Id>,
  names: readonly string[],
  historyMax: number,
): Float64Array {
  const history = user.history.slice(-historyMax);
  const columns = new Map(names.map((name, column) => [name, column]));
  const result = new Float64Array(user.candidates.length * names.length);
  const put = (row: number, name: string, value: number): void => {
    const column = columns.get(name);
    if (column !== undefined) result[row * names.length + column] = value;
  };
  const known = new Set(featureNames(spacesOf(names)));
  for (const name of names) {
    if (!known.has(name)) throw new RangeError(`re-ranker: no feature ${name}`);
  }
  const own = countsOf(history);
  const near = columns.has(NEIGHBOURS) ? neighbourSums(history, user.neighboursOf) : undefined;
  for (const [row, { product, popularity }] of user.candidates.entries()) {
    const alone: Record<CandidateFeature, number> = {
      popularity,
      own: own.has(product) ? 1 : 0,
      "own-last": history.at(-1) === product ? 1 : 0,
      "own-count": own.get(product) ?? 0,
      neighbours: near?.get(product) ?? 0,
    };
    for (const name of CANDIDATE_FEATURES) put(row, name, alone[name]);
  }
  for (const space of spacesOf(names)) {
    const interactions = history.map((product) => ({
      product,
      unit: unitOf(user.vectorOf(space, product)),
    }));
    for (const [row, { product }] of user.candidates.entries()) {
      const compared = compare(product, unitOf(user.vectorOf(space, product)), interactions);
      for (const kind of SPACE_FEATURES) put(row, `${space}:${kind}`, compared[kind]);
    }
  }
  return result;
}

/**
 * What re-ranking adds to the base score of every candidate.
 * @returns sum_f w_f f(c) by candidate
 * @throws as `rerankerFeatures`
 */
export function rerankerParts<Id extends string | number>(
  { features, historyMax }: RerankerModel,
  user: RerankedUser<Id>,
): Float64Array {
  const names = Object.keys(features);
  const rows = rerankerFeatures(user, names, historyMax);
  return Float64Array.from(user.candidates, (_, row) =>
    names.reduce(
      (sum, name, column) => sum + features[name]! * rows[row * names.length + column]!,
      0,
    ),
  );
}

function countsOf<Id>(history: readonly Id[]): Map<Id, number> {
  const counts = new Map<Id, number>();
  for (const product of history) counts.set(product, (counts.get(product) ?? 0) + 1);
  return counts;
}

/** The feature "neighbours" of every product that is a neighbour of any interaction. */
function neighbourSums<Id>(
  history: readonly Id[],
  neighboursOf: NeighboursOf<Id> | undefined,
): Map<Id, number> {
  const sums = new Map<Id, number>();
  let share = 1;
  for (const product of history.toReversed()) {
    for (const [other, weight] of neighboursOf?.(product) ?? []) {
      if (other !== product) sums.set(other, (sums.get(other) ?? 0) + share * weight);
    }
    share *= NEIGHBOUR_DECAY;
  }
  return sums;
}

interface Unit {
  readonly vector: Float32Array;
  /** 1 / |vector|. */
  readonly scale: number;
}

interface UnitInteraction<Id> {
  readonly product: Id;
  readonly unit: Unit | undefined;
}

/** Undefined for a zero vector too, which is like nothing. */
function unitOf(vector: Float32Array | undefined): Unit | undefined {
  if (vector === undefined) return undefined;
  const length = norm(vector);
  return length === 0 ? undefined : { vector, scale: 1 / length };
}

function compare<Id>(
  product: Id,
  unit: Unit | undefined,
  interactions: readonly UnitInteraction<Id>[],
): Record<SpaceFeature, number> {
  let [max, second] = [-Infinity, -Infinity];
  let last = 0;
  for (const interaction of interactions) {
    last = 0;
    if (unit !== undefined && interaction.unit !== undefined && interaction.product !== product) {
      last = dot(unit.vector, interaction.unit.vector) * unit.scale * interaction.unit.scale;
    }
    if (last > max) [max, second] = [last, max];
    else if (last > second) second = last;
  }
  return {
    max: max === -Infinity ? 0 : max,
    second: second === -Infinity ? 0 : second,
    last,
  };
}
