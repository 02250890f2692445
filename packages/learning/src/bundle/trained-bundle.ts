/** The learned model as a bundle, and proof that the bundle is the learned model. */
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { decodeBundle, encodeBundle } from "@marquetry/model/bundle/codec";
import type { Bundle, TrainingRecord } from "@marquetry/model/bundle";
import type { EncodedBundle } from "@marquetry/model/bundle/codec";
import { sha256Hex } from "@marquetry/model/bundle/digest";
import { fuse } from "@marquetry/model/fusion";
import type { ModalityVectors } from "@marquetry/model/fusion";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { popularityScore } from "@marquetry/model/ranking";
import { weighsNeighbours } from "@marquetry/model/ranking/reranker";
import type { RerankerModel } from "@marquetry/model/ranking/reranker";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { Csr } from "../linear-algebra/csr.js";
import { rowOf } from "../linear-algebra/rows.js";
import type { RankingSettings } from "../scoring/ranking.js";
import { largestOf, servedWeights } from "../scoring/served-weights.js";
import { popularityFloor } from "../scoring/pooled.js";
import type { Prepared } from "../representation/prepare.js";
import { carriedNeighbours, itemNeighbours } from "../representation/item-neighbours.js";
import type { BundleFolder, TrainedBundle } from "./bundle-folder.js";
import { distil, distilledFusion } from "./distil.js";
import type { CollaborativeModality, ServedFusion } from "./distil.js";
import { goldenVectors } from "./golden.js";
import { recencyInterests } from "../learn/served-interests.js";
import type { ServedInterests } from "../learn/served-interests.js";

/** How far fused vectors may be from the trained ones, by element. */
const TOLERANCE = 1e-5;

export interface Serving {
  /** How services make the vectors. Default: a weighted sum that is fitted to them. */
  readonly served?: ServedFusion | undefined;
  /** Fitted to these vectors and this ranking. */
  readonly reranker?: RerankerModel | undefined;
  /** Carried where the re-ranker weighs them. Default: those of the training part. */
  readonly neighbours?: Csr | undefined;
  /** How services pool histories. Default: by recency. */
  readonly pooling?: ServedInterests | undefined;
}

/**
 * What was learned as services need it; it ranks as the bundle will, which `sealBundle` makes of it.
 * @param vectors one row of length 1 per product
 * @param createdBy the command
 */
export async function draftBundle(
  prepared: Prepared,
  vectors: Matrix,
  ranking: RankingSettings,
  createdBy: string,
  serving: Serving = {},
): Promise<BundleFolder> {
  const { served, reranker, pooling = recencyInterests(vectors, ranking.decay) } = serving;
  const { dataset, features, counts } = prepared;
  const {
    fusion,
    collaborative,
    similarity = { kind: "dot" },
  } = served ?? distilledFusion(distil(vectors, features, (item) => counts[item]! > 0));
  const digest = (await sha256Hex(vectorToBytes(collaborative.vectors.data))).slice(0, 8);
  const encoders = {
    ...prepared.encoders,
    [COLLABORATIVE]: {
      encoder: `${dataset.name}-behaviour-${digest}`,
      dims: collaborative.vectors.cols,
    },
  };
  // What this data cannot tell (the weight of each action, half-lives) is that of the bundle
  // without training.
  const { interests, ranking: untrained } = await zeroShotBundle(prepared.encoders, {
    weights: Object.fromEntries(Object.keys(features).map((name) => [name, 1])),
  });
  const bundle: Bundle = {
    id: `${dataset.name}-draft`,
    createdBy,
    encoders,
    fusion,
    interests: pooling.model(interests),
    similarity,
    ranking: {
      ...untrained,
      weights: { ...servedWeights(ranking, counts), freshness: 0 },
      popularityFloor: popularityScore(popularityFloor(counts), largestOf(counts)),
    },
    ...(reranker !== undefined && { reranker }),
    ...weighedNeighbours(prepared, serving),
    golden: goldenVectors({
      fusion,
      vectors,
      itemIds: dataset.itemIds,
      known: (item) => counts[item]! > 0,
      vectorsOf: modalityVectors(features, collaborative),
      histories: dataset.splits.train,
      interestOf: pooling.interestOf,
    }),
  };
  return { bundle, collaborative, itemIds: dataset.itemIds };
}

/**
 * Names the bundle after the dataset and a digest of the whole manifest, and encodes it.
 * @param vectors those that the draft was made from
 * @param training what the manifest records of it
 * @throws MarquetryError `internal` where the bundle does not give back the vectors
 */
export async function sealBundle(
  draft: BundleFolder,
  prepared: Prepared,
  vectors: Matrix,
  training?: TrainingRecord,
): Promise<TrainedBundle> {
  const unnamed = { ...draft.bundle, ...(training && { training }) };
  const { manifest } = await encodeBundle(unnamed);
  const digest = await sha256Hex(new TextEncoder().encode(manifest));
  const bundle = { ...unnamed, id: `${prepared.dataset.name}-${digest.slice(0, 8)}` };
  const encoded = await encodeBundle(bundle);
  await assertSameVectors(encoded, prepared, vectors, draft.collaborative);
  return { ...draft, bundle, encoded };
}

function weighedNeighbours(
  { dataset: { itemIds, splits } }: Prepared,
  { reranker, neighbours }: Serving,
): Pick<Bundle, "neighbours"> {
  if (reranker === undefined || !weighsNeighbours(reranker)) return {};
  const weighed = neighbours ?? itemNeighbours(splits.train, itemIds.length);
  return { neighbours: carriedNeighbours(weighed, itemIds) };
}

/** What a service would have of each product. */
export function modalityVectors(
  features: Readonly<Record<string, Matrix>>,
  { items, vectors }: CollaborativeModality,
): (item: number) => ModalityVectors {
  const placeOf = new Map(Array.from(items, (item, place) => [item, place]));
  return (item) => {
    const place = placeOf.get(item);
    return {
      ...Object.fromEntries(Object.entries(features).map(([name, m]) => [name, rowOf(m, item)])),
      ...(place !== undefined && { [COLLABORATIVE]: rowOf(vectors, place) }),
    };
  };
}

async function assertSameVectors(
  { manifest, weights, interests }: EncodedBundle,
  { features }: Prepared,
  vectors: Matrix,
  collaborative: CollaborativeModality,
): Promise<void> {
  const { fusion } = await decodeBundle(manifest, weights, interests);
  const vectorsOf = modalityVectors(features, collaborative);
  for (const item of collaborative.items) {
    const fused = fuse(fusion, vectorsOf(item))!;
    const trained = rowOf(vectors, item);
    const apart = fused.findIndex((x, j) => Math.abs(x - trained[j]!) > TOLERANCE);
    if (apart === -1) continue;
    const message = `bundle: product ${item} is fused to another vector than was trained`;
    throw new MarquetryError("internal", message);
  }
}
