/** Similarity of an interest vector u and a product's fused vector v. */
import { blockStarts, fusedDims, projectedDims } from "../fusion/fusion.js";
import type { ConcatenationFusion, FusionModel } from "../fusion/fusion.js";
import { assertMatrix, matVec } from "../vectors/matrix.js";
import type { Matrix } from "../vectors/matrix.js";
import { softmax } from "../vectors/softmax.js";
import { assertDims, cosine, dot, norm, normalise } from "../vectors/vector.js";

export type SimilarityModel =
  | DotSimilarity
  | CosineSimilarity
  | SharedBlockSimilarity
  | TwoTowerSimilarity
  | ModalityAdaptiveSimilarity;

/** u'v */
export interface DotSimilarity {
  readonly kind: "dot";
}

/** u'v / (|u||v|) */
export interface CosineSimilarity {
  readonly kind: "cosine";
}

/** Cosine over the blocks that both sides have; see `sharedBlockCosine`. */
export interface SharedBlockSimilarity {
  readonly kind: "shared-block-cosine";
}

/**
 * f_u(u)'f_v(v), each tower a linear layer or the identity, trained by a contrastive loss; with
 * `normaliseOutput` each side is L2-normalised first, which makes it a cosine.
 */
export interface TwoTowerSimilarity {
  readonly kind: "two-tower";
  readonly user?: LinearLayer;
  readonly item?: LinearLayer;
  readonly normaliseOutput: boolean;
}

/** f(v) = W v + b; W of shape [out, in], b of shape [out], zeros where absent. */
export interface LinearLayer {
  readonly weight: Matrix;
  readonly bias?: Float32Array;
}

/**
 * Attention in the similarity: how much each modality counts adapts to the user and the product.
 * With u_m, v_m the blocks of two concatenated vectors, each L2-normalised by itself:
 * s(u, v) = sum_m a_m u_m'v_m, a = softmax_m(g_m + u_m'p_m + v_m'r_m) over the modalities that
 * both sides have. Learned: g_m, p_m (which users follow modality m), r_m (which products speak
 * through it).
 */
export interface ModalityAdaptiveSimilarity {
  readonly kind: "modality-adaptive";
  /** By modality; one that is not listed has g_m = 0 and neither p_m nor r_m. */
  readonly modalities: Readonly<Record<string, ModalityScore>>;
}

export interface ModalityScore {
  /** g_m */
  readonly bias: number;
  /** p_m, shape of the modality's block. */
  readonly user?: Float32Array;
  /** r_m, shape of the modality's block. */
  readonly item?: Float32Array;
}

/**
 * Similarity by the model's kind.
 * @param fusion the model that fused both vectors; its blocks count where the similarity is by
 *   blocks
 * @param user u, shape [fusedDims(fusion)]
 * @param item v, same shape
 * @throws RangeError where shapes do not agree, an element is not finite, or a similarity by blocks
 *   meets a fusion that is no concatenation
 */
export function similarity(
  model: SimilarityModel,
  fusion: FusionModel,
  user: Float32Array,
  item: Float32Array,
): number {
  if (model.kind === "dot") return dot(user, item);
  if (model.kind === "cosine") return cosine(user, item);
  if (model.kind === "two-tower") {
    return dot(
      applyTower(model.user, model.normaliseOutput, user),
      applyTower(model.item, model.normaliseOutput, item),
    );
  }
  const blocks = concatenated(fusion);
  if (model.kind === "shared-block-cosine") return sharedBlockCosine(blocks, user, item);
  return modalityAdaptiveSimilarity(model, blocks, user, item);
}

/**
 * The similarity from what a vector index returns, the raw dot product u'v and which modalities the
 * item has, where these are enough; undefined where the item's vector is needed (towers, adaptive
 * weights, a cosine over vectors that fusion does not normalise).
 * @param user u, shape [fusedDims(fusion)], as it was sent to the index
 * @returns takes u'v and `presentModalities` of the item to the value of `similarity`
 * @throws RangeError where shapes do not agree or an element is not finite
 */
export function similarityFromDot(
  model: SimilarityModel,
  fusion: FusionModel,
  user: Float32Array,
): ((rawDot: number, itemModalities: readonly string[]) => number) | undefined {
  if (model.kind === "dot") return (rawDot) => rawDot;
  if (model.kind === "cosine" && fusion.normaliseOutput) {
    const length = norm(user);
    return (rawDot) => (length === 0 ? 0 : rawDot / length);
  }
  if (model.kind !== "shared-block-cosine") return undefined;
  const blocks = concatenated(fusion);
  const norms = blockNorms(blocks, user);
  return (rawDot, itemModalities) => rawDot * sharedBlockScale(norms, itemModalities, blocks);
}

/**
 * One side of the two towers: W v + b, L2-normalised where `normaliseOutput`. What fusion stores for products
 * and what is sent as the query, so that an index's dot product is the similarity.
 * @param layer the identity where undefined
 * @param vector shape [in]
 * @returns shape [out]
 * @throws RangeError where shapes do not agree
 */
export function applyTower(
  layer: LinearLayer | undefined,
  normaliseOutput: boolean,
  vector: Float32Array,
): Float32Array {
  const output = layer === undefined ? vector : matVec(layer.weight, vector);
  const bias = layer?.bias;
  if (bias !== undefined) {
    if (bias.length !== output.length) {
      throw new RangeError(`tower: bias has ${bias.length} dimensions, output ${output.length}`);
    }
    for (let i = 0; i < output.length; i += 1) output[i]! += bias[i]!;
  }
  return normaliseOutput ? normalise(output) : output;
}

/**
 * Cosine of two concatenated vectors over the blocks that both have, so that a modality which one
 * side lacks neither adds nor takes away:
 * sum_{m in both} u_m'v_m / sqrt(sum_{m in both} |u_m|^2 * sum_{m in both} |v_m|^2).
 * A block is absent where it is zero throughout.
 * @param user shape [fusedDims(fusion)]
 * @param item same shape
 * @returns in [-1, 1] up to rounding; 0 where the two share no block
 * @throws RangeError where shapes do not agree or an element is not finite
 */
export function sharedBlockCosine(
  fusion: ConcatenationFusion,
  user: Float32Array,
  item: Float32Array,
): number {
  let product = 0;
  let userSquare = 0;
  let itemSquare = 0;
  for (const block of sharedBlocks(fusion, user, item)) {
    product += dot(block.user, block.item);
    userSquare += dot(block.user, block.user);
    itemSquare += dot(block.item, block.item);
  }
  return userSquare === 0 ? 0 : product / Math.sqrt(userSquare * itemSquare);
}

/**
 * The factor that takes a raw dot product u'v, as a vector index returns it, to the shared-block
 * cosine, without the item's vector at hand: 1 / sqrt(sum_both |u_m|^2 * sum_both |v_m|^2).
 * Zero blocks add nothing to u'v, so only lengths are missing, and those of an item follow from
 * which modalities it has: a fused block has length w_m, divided by sqrt(sum_{present} w_m^2)
 * where the fusion normalises its output.
 * @param userBlockNorms |u_m| by modality, from `blockNorms`; u need not be normalised
 * @param itemModalities the modalities in the item's fused vector, from `presentModalities`
 * @returns the factor, above 0, or 0 where the two share no block
 * @throws RangeError where an item's modality is not in the model
 */
export function sharedBlockScale(
  userBlockNorms: Readonly<Record<string, number>>,
  itemModalities: readonly string[],
  fusion: ConcatenationFusion,
): number {
  const present = new Set(itemModalities);
  let userSquare = 0;
  let itemSquareShared = 0;
  let itemSquare = 0;
  for (const { name, weight } of fusion.modalities) {
    if (!present.delete(name)) continue;
    itemSquare += weight ** 2;
    const userNorm = Object.hasOwn(userBlockNorms, name) ? userBlockNorms[name]! : 0;
    if (userNorm === 0) continue;
    userSquare += userNorm ** 2;
    itemSquareShared += weight ** 2;
  }
  for (const name of present) throw new RangeError(`${name}: no modality of the fusion model`);
  if (userSquare === 0) return 0;
  const itemShare = fusion.normaliseOutput ? itemSquareShared / itemSquare : itemSquareShared;
  return 1 / Math.sqrt(userSquare * itemShare);
}

/**
 * Length of each modality's block in a concatenated vector, 0 where it is absent.
 * @param vector shape [fusedDims(fusion)]
 * @throws RangeError where the shape is another or an element is not finite
 */
export function blockNorms(
  fusion: ConcatenationFusion,
  vector: Float32Array,
): Record<string, number> {
  const blocks = splitBlocks(fusion, vector);
  return Object.fromEntries(fusion.modalities.map(({ name }, i) => [name, norm(blocks[i]!)]));
}

/**
 * The a_m of `ModalityAdaptiveSimilarity`, by modality that both sides have; they sum to 1.
 * @param user shape [fusedDims(fusion)]
 * @param item same shape
 * @returns empty where the two share no block
 * @throws RangeError where shapes do not agree or an element is not finite
 */
export function modalityAdaptiveWeights(
  model: ModalityAdaptiveSimilarity,
  fusion: ConcatenationFusion,
  user: Float32Array,
  item: Float32Array,
): Record<string, number> {
  const terms = adaptiveTerms(model, fusion, user, item);
  return Object.fromEntries(terms.map(({ name, weight }) => [name, weight]));
}

/**
 * sum_m a_m u_m'v_m of `ModalityAdaptiveSimilarity`: a mean of per-modality cosines.
 * @param user shape [fusedDims(fusion)]
 * @param item same shape
 * @returns in [-1, 1] up to rounding; 0 where the two share no block
 * @throws RangeError where shapes do not agree or an element is not finite
 */
export function modalityAdaptiveSimilarity(
  model: ModalityAdaptiveSimilarity,
  fusion: ConcatenationFusion,
  user: Float32Array,
  item: Float32Array,
): number {
  const terms = adaptiveTerms(model, fusion, user, item);
  return terms.reduce((sum, { weight, cosine: similar }) => sum + weight * similar, 0);
}

function adaptiveTerms(
  model: ModalityAdaptiveSimilarity,
  fusion: ConcatenationFusion,
  user: Float32Array,
  item: Float32Array,
): { readonly name: string; readonly weight: number; readonly cosine: number }[] {
  const blocks = sharedBlocks(fusion, user, item).map((block) => ({
    name: block.name,
    user: normalise(block.user),
    item: normalise(block.item),
  }));
  if (blocks.length === 0) return [];
  const weights = softmax(
    blocks.map((block) => {
      const score = Object.hasOwn(model.modalities, block.name)
        ? model.modalities[block.name]!
        : { bias: 0 };
      const byUser = score.user === undefined ? 0 : dot(block.user, score.user);
      const byItem = score.item === undefined ? 0 : dot(block.item, score.item);
      return score.bias + byUser + byItem;
    }),
  );
  return blocks.map((block, i) => ({
    name: block.name,
    weight: weights[i]!,
    cosine: dot(block.user, block.item),
  }));
}

interface SharedBlock {
  readonly name: string;
  readonly user: Float32Array;
  readonly item: Float32Array;
}

function sharedBlocks(
  fusion: ConcatenationFusion,
  user: Float32Array,
  item: Float32Array,
): SharedBlock[] {
  const users = splitBlocks(fusion, user);
  const items = splitBlocks(fusion, item);
  return fusion.modalities
    .map(({ name }, i) => ({ name, user: users[i]!, item: items[i]! }))
    .filter((block) => norm(block.user) > 0 && norm(block.item) > 0);
}

/** The blocks as views, in the order of the model's modalities. */
function splitBlocks(fusion: ConcatenationFusion, vector: Float32Array): Float32Array[] {
  const dims = fusedDims(fusion);
  if (vector.length !== dims) {
    throw new RangeError(`concatenated vector: expected ${dims} dimensions, got ${vector.length}`);
  }
  return blockStarts(fusion).map((start, i) =>
    vector.subarray(start, start + projectedDims(fusion.modalities[i]!)),
  );
}

function concatenated(fusion: FusionModel): ConcatenationFusion {
  if (fusion.strategy === "concatenation") return fusion;
  throw new RangeError(`similarity by blocks needs a concatenation, got ${fusion.strategy}`);
}

/**
 * Refuses a similarity that does not fit the fusion.
 * @throws RangeError that names the offending field, such as `similarity.user`
 */
export function assertSimilarityModel(model: SimilarityModel, fusion: FusionModel): void {
  if (model.kind === "shared-block-cosine") concatenated(fusion);
  if (model.kind === "modality-adaptive") assertAdaptive(model, concatenated(fusion));
  if (model.kind !== "two-tower") return;
  const dims = fusedDims(fusion);
  for (const [side, layer] of Object.entries({ user: model.user, item: model.item })) {
    if (layer === undefined) continue;
    assertMatrix(layer.weight, `similarity.${side}.weight`);
    assertDims(`similarity.${side}.weight`, layer.weight.cols, dims);
    if (layer.bias === undefined) continue;
    assertDims(`similarity.${side}.bias`, layer.bias.length, layer.weight.rows);
  }
  assertDims("similarity.item", model.item?.weight.rows ?? dims, model.user?.weight.rows ?? dims);
}

function assertAdaptive(model: ModalityAdaptiveSimilarity, fusion: ConcatenationFusion): void {
  const known = new Map(fusion.modalities.map((modality) => [modality.name, modality]));
  for (const [name, score] of Object.entries(model.modalities)) {
    const path = `similarity.modalities.${name}`;
    const modality = known.get(name);
    if (modality === undefined) throw new RangeError(`${path}: no modality of the fusion model`);
    for (const vector of [score.user, score.item]) {
      if (vector !== undefined) assertDims(path, vector.length, projectedDims(modality));
    }
  }
}
