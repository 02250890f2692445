/**
 * Fusion: the vectors of a product's modalities become one vector.
 *
 * Every strategy first takes each modality to the common space: v_m is L2-normalised, so that
 * encoders of different scales meet on equal terms, whitened and normalised again where the model
 * says so (an encoder's vectors crowd into a narrow cone), then projected by P_m where the model has
 * a P_m. In the formulas v_m stands for the vector before the projection. Only the modalities that a
 * product has take part; an absent one is left out of sums, softmax and divisors (masked), never
 * replaced by zeros that would pull the result down. A zero vector has no direction and counts as
 * absent; so do modalities that the model does not name.
 */
import { assertMatrix, matVec } from "../vectors/matrix.js";
import type { Matrix } from "../vectors/matrix.js";
import { softmax } from "../vectors/softmax.js";
import {
  assertDims,
  assertFinite,
  dot,
  norm,
  normalise,
  scale,
  weightedSum,
} from "../vectors/vector.js";

/** Vectors by modality, the present ones only. */
export type ModalityVectors = Readonly<Record<string, Float32Array>>;

export interface FusionModality {
  /** Lower-case letters, digits and dashes. */
  readonly name: string;
  /** Length of the encoder's vector. */
  readonly dims: number;
  /** v_m becomes norm(W (v_m / |v_m| - c)), of k dimensions. */
  readonly whitening?: ModalityWhitening;
  /** P_m, shape [d, k or dims]; the identity where absent. */
  readonly projection?: Matrix;
}

export interface ModalityWhitening {
  /** c, shape [dims]. */
  readonly centre: Float32Array;
  /** W, shape [k, dims]. */
  readonly weight: Matrix;
}

export interface WeightedModality extends FusionModality {
  /** w_m, above 0. */
  readonly weight: number;
}

export interface BiasedModality extends FusionModality {
  /** g_m, added to the modality's score. Default: 0. */
  readonly bias?: number;
}

interface FusionOutput {
  /** Whether the fused vector is L2-normalised. */
  readonly normaliseOutput: boolean;
}

/**
 * v = [w_1 u_1; ...; w_M u_M] with u_m = v_m / |v_m|, or P_m v_m / |P_m v_m| where the model has a
 * projection: normalised again behind it, so that the length of a block is w_m exactly. An absent
 * modality's block is stored as zeros; `sharedBlockCosine` leaves it out of the similarity.
 */
export interface ConcatenationFusion extends FusionOutput {
  readonly strategy: "concatenation";
  readonly modalities: readonly WeightedModality[];
}

/** v = sum_m w_m P_m v_m / sum_m w_m, both sums over the present modalities. */
export interface WeightedSumFusion extends FusionOutput {
  readonly strategy: "weighted-sum";
  readonly modalities: readonly WeightedModality[];
}

/**
 * v = sum_m a_m P_m v_m, a = softmax_m(e_m + g_m) over the present modalities, e_m = f(P_m v_m, q)
 * with a learned query q.
 */
export interface AttentionFusion extends FusionOutput {
  readonly strategy: "attention";
  readonly modalities: readonly BiasedModality[];
  /** q, shape [e]. */
  readonly query: Float32Array;
  readonly scorer: AttentionScorer;
}

/** f(v, q) for v in R^d and q in R^e. */
export type AttentionScorer =
  /** v' W q; W of shape [d, e]. */
  | { readonly kind: "linear"; readonly weight: Matrix }
  /**
   * v' W q + b'v + c'q + d; b of shape [d], c of shape [e]. The part c'q + d is the same for every
   * modality and cancels in the softmax; it stays so that scores are those of the formula.
   */
  | {
      readonly kind: "bilinear";
      readonly weight: Matrix;
      readonly valueBias: Float32Array;
      readonly queryBias: Float32Array;
      readonly bias: number;
    }
  /** v' tanh(W q); W of shape [d, e]. */
  | { readonly kind: "tanh"; readonly weight: Matrix };

/**
 * s = the sum of P_m v_m, or their concatenation; q = W_q s, k_m = W_k P_m v_m, x_m = W_v P_m v_m;
 * a = softmax_m(q'k_m / sqrt(d_k)) over the present modalities; v = sum_m a_m x_m (Vaswani et al.,
 * 2017, formula 1, with one query).
 */
export interface SelfAttentionFusion extends FusionOutput {
  readonly strategy: "self-attention";
  readonly modalities: readonly FusionModality[];
  readonly queryFrom: "sum" | "concatenation";
  /** W_q, shape [d_k, d] from the sum, [d_k, M d] from the concatenation. */
  readonly query: Matrix;
  /** W_k, shape [d_k, d]. */
  readonly key: Matrix;
  /** W_v, shape [d_v, d]. */
  readonly value: Matrix;
}

export type FusionModel =
  | ConcatenationFusion
  | WeightedSumFusion
  | AttentionFusion
  | SelfAttentionFusion;

/**
 * Fuses the vectors of one product by the model's formula.
 * @param vectors by modality, shape [dims of the modality] each
 * @returns shape [fusedDims(model)], or undefined where no modality is present
 * @throws RangeError where a vector has other dimensions than its modality or a non-finite
 *   element, or where the model's own shapes do not agree
 */
export function fuse(model: FusionModel, vectors: ModalityVectors): Float32Array | undefined {
  const parts = presentParts(model, vectors);
  if (parts.length === 0) return undefined;
  const fused = model.strategy === "concatenation" ? concatenate(model, parts) : mix(model, parts);
  return model.normaliseOutput ? normalise(fused) : fused;
}

/** Length of the fused vector: the sum of the blocks for a concatenation, else d or d_v. */
export function fusedDims(model: FusionModel): number {
  if (model.strategy === "self-attention") return model.value.rows;
  const blocks = model.modalities.map(projectedDims);
  return model.strategy === "concatenation" ? blocks.reduce((a, b) => a + b, 0) : (blocks[0] ?? 0);
}

/** Names of the modalities that take part in `fuse`, sorted. @throws as `fuse` */
export function presentModalities(model: FusionModel, vectors: ModalityVectors): string[] {
  return model.modalities
    .filter((modality) => presentVector(modality, vectors) !== undefined)
    .map(({ name }) => name)
    .sort();
}

/**
 * How much each present modality counts: a_m for the two kinds of attention, w_m / sum w for a
 * weighted sum, w_m^2 / sum w^2 (its share of the squared length) for a concatenation.
 * @returns weights that sum to 1, by modality; empty where no modality is present
 * @throws as `fuse`
 */
export function attentionWeights(
  model: FusionModel,
  vectors: ModalityVectors,
): Record<string, number> {
  const parts = presentParts(model, vectors);
  if (parts.length === 0) return {};
  const weights = mixingWeights(model, parts);
  return Object.fromEntries(parts.map((part, i) => [part.name, weights[i]!]));
}

/** Length of P_m v_m. */
export function projectedDims({ projection, whitening, dims }: FusionModality): number {
  return projection?.rows ?? whitening?.weight.rows ?? dims;
}

/** One present modality, in the common space. */
interface Part {
  readonly name: string;
  /** Position among the model's modalities. */
  readonly index: number;
  /** P_m v_m of the L2-normalised v_m. */
  readonly vector: Float32Array;
}

function presentParts(model: FusionModel, vectors: ModalityVectors): Part[] {
  const parts: Part[] = [];
  for (const [index, modality] of model.modalities.entries()) {
    const vector = presentVector(modality, vectors);
    if (vector === undefined) continue;
    const { name, projection } = modality;
    const ready = whitened(modality, normalise(vector));
    parts.push({ name, index, vector: projection ? matVec(projection, ready) : ready });
  }
  return parts;
}

/** A vector that is the centre itself has no direction: it stays zero. */
function whitened({ whitening }: FusionModality, unit: Float32Array): Float32Array {
  if (whitening === undefined) return unit;
  const { centre, weight } = whitening;
  const white = matVec(
    weight,
    unit.map((x, j) => x - centre[j]!),
  );
  return norm(white) === 0 ? white : normalise(white);
}

/** Undefined for an absent or zero vector. */
function presentVector(
  { name, dims }: FusionModality,
  vectors: ModalityVectors,
): Float32Array | undefined {
  const vector = Object.hasOwn(vectors, name) ? vectors[name] : undefined;
  if (vector === undefined) return undefined;
  if (vector.length !== dims) {
    throw new RangeError(`${name}: expected ${dims} dimensions, got ${vector.length}`);
  }
  assertFinite(vector, name);
  return norm(vector) === 0 ? undefined : vector;
}

function concatenate(model: ConcatenationFusion, parts: readonly Part[]): Float32Array {
  const fused = new Float32Array(fusedDims(model));
  const starts = blockStarts(model);
  for (const { index, vector } of parts) {
    fused.set(scale(normalise(vector), model.modalities[index]!.weight), starts[index]);
  }
  return fused;
}

/** Where each modality's block begins in a concatenated vector. */
export function blockStarts(model: ConcatenationFusion): number[] {
  let next = 0;
  return model.modalities.map((modality) => {
    const start = next;
    next += projectedDims(modality);
    return start;
  });
}

function mix(
  model: WeightedSumFusion | AttentionFusion | SelfAttentionFusion,
  parts: readonly Part[],
): Float32Array {
  const weights = mixingWeights(model, parts);
  const sum = weightedSum(
    parts.map((part) => part.vector),
    weights,
  );
  // W_v is linear: sum_m a_m W_v P_m v_m = W_v sum_m a_m P_m v_m, one matrix product instead of M.
  return model.strategy === "self-attention" ? matVec(model.value, sum) : sum;
}

function mixingWeights(model: FusionModel, parts: readonly Part[]): number[] {
  if (model.strategy === "attention") return softmax(learnedQueryScores(model, parts));
  if (model.strategy === "self-attention") return softmax(selfAttentionScores(model, parts));
  const weights = parts.map((part) => model.modalities[part.index]!.weight);
  return shares(model.strategy === "concatenation" ? weights.map((w) => w ** 2) : weights);
}

function learnedQueryScores(model: AttentionFusion, parts: readonly Part[]): number[] {
  const { scorer, query } = model;
  const weighted = matVec(scorer.weight, query);
  const direction = scorer.kind === "tanh" ? weighted.map(Math.tanh) : weighted;
  return parts.map(({ index, vector }) => {
    const score = dot(vector, direction) + (model.modalities[index]!.bias ?? 0);
    if (scorer.kind !== "bilinear") return score;
    return score + dot(scorer.valueBias, vector) + dot(scorer.queryBias, query) + scorer.bias;
  });
}

function selfAttentionScores(model: SelfAttentionFusion, parts: readonly Part[]): number[] {
  const query = matVec(model.query, selfAttentionSource(model, parts));
  return parts.map(
    ({ vector }) => dot(query, matVec(model.key, vector)) / Math.sqrt(model.key.rows),
  );
}

/** s: in the concatenation an absent block is zero, which leaves its columns of W_q out. */
function selfAttentionSource(model: SelfAttentionFusion, parts: readonly Part[]): Float32Array {
  if (model.queryFrom === "sum") {
    return weightedSum(
      parts.map((part) => part.vector),
      parts.map(() => 1),
    );
  }
  const dims = projectedDims(model.modalities[0]!);
  const source = new Float32Array(model.modalities.length * dims);
  for (const { index, vector } of parts) source.set(vector, index * dims);
  return source;
}

function shares(weights: readonly number[]): number[] {
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/**
 * Refuses a model whose names, weights or shapes do not fit together.
 * @throws RangeError that names the offending field, such as `fusion.query`
 */
export function assertFusionModel(model: FusionModel): void {
  if (model.modalities.length === 0) throw new RangeError("fusion.modalities: none given");
  const names = new Set<string>();
  for (const modality of model.modalities) {
    assertModality(modality);
    const path = `fusion.modalities.${modality.name}`;
    if (names.has(modality.name)) throw new RangeError(`${path}: given twice`);
    names.add(modality.name);
    if ("weight" in modality && !(modality.weight > 0 && Number.isFinite(modality.weight))) {
      throw new RangeError(`${path}.weight: expected a number above 0, got ${modality.weight}`);
    }
  }
  if (model.strategy === "concatenation") return;
  const dims = projectedDims(model.modalities[0]!);
  for (const modality of model.modalities) {
    assertDims(`fusion.modalities.${modality.name}`, projectedDims(modality), dims);
  }
  if (model.strategy === "attention") assertScorer(model, dims);
  if (model.strategy === "self-attention") assertSelfAttention(model, dims);
}

function assertModality({ name, dims, whitening, projection }: FusionModality): void {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name)) {
    throw new RangeError(`fusion.modalities: ${JSON.stringify(name)} is no name of a modality`);
  }
  const path = `fusion.modalities.${name}`;
  if (!Number.isSafeInteger(dims) || dims < 1) {
    throw new RangeError(`${path}.dims: expected a positive integer, got ${dims}`);
  }
  if (whitening !== undefined) {
    assertDims(`${path}.whitening.centre`, whitening.centre.length, dims);
    assertMatrix(whitening.weight, `${path}.whitening.weight`);
    assertDims(`${path}.whitening.weight`, whitening.weight.cols, dims);
  }
  if (projection === undefined) return;
  assertMatrix(projection, `${path}.projection`);
  assertDims(`${path}.projection`, projection.cols, whitening?.weight.rows ?? dims);
}

function assertScorer({ scorer, query }: AttentionFusion, dims: number): void {
  assertMatrix(scorer.weight, "fusion.scorer.weight");
  assertDims("fusion.scorer.weight", scorer.weight.rows, dims);
  assertDims("fusion.query", query.length, scorer.weight.cols);
  if (scorer.kind !== "bilinear") return;
  assertDims("fusion.scorer.valueBias", scorer.valueBias.length, dims);
  assertDims("fusion.scorer.queryBias", scorer.queryBias.length, query.length);
}

function assertSelfAttention(model: SelfAttentionFusion, dims: number): void {
  const { query, key, value, queryFrom } = model;
  for (const [name, m] of Object.entries({ query, key, value })) assertMatrix(m, `fusion.${name}`);
  assertDims(
    "fusion.query",
    query.cols,
    queryFrom === "sum" ? dims : model.modalities.length * dims,
  );
  assertDims("fusion.key", key.cols, dims);
  assertDims("fusion.key", key.rows, query.rows);
  assertDims("fusion.value", value.cols, dims);
}
