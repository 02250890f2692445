/** Cold products: how well products are found that nobody had when the model was trained. */
import { fuse } from "@marquetry/model/fusion";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32 } from "@marquetry/model/vectors/random";
import type { BundleFolder } from "../bundle/bundle-folder.js";
import { modalityVectors, draftBundle } from "../bundle/trained-bundle.js";
import { countItems } from "../dataset/dataset.js";
import type { EvaluationCase, Splits } from "../dataset/dataset.js";
import { rowOf } from "../linear-algebra/rows.js";
import type { RankingSettings } from "../scoring/ranking.js";
import type { Prepared } from "../representation/prepare.js";
import { CUTOFFS, metricsAt } from "../scoring/metrics.js";
import type { MetricsAt } from "../scoring/metrics.js";
import { pooledScorer, popularityPrior } from "../scoring/pooled.js";
import { withImputedCollaborative } from "../bundle/exported.js";
import { topLists } from "../scoring/top-lists.js";
import type { HistoryPolicy } from "../scoring/top-lists.js";

/** The data as if some products were new. */
interface ColdProducts {
  /** The training part without the cold products; targets are whole. */
  readonly prepared: Prepared;
  /** By product, 1 where it is cold. */
  readonly cold: Uint8Array;
}

/**
 * Removes products from all that is known before the evaluation: from training and, where cold
 * products are measured, from histories; not from the targets.
 * @param share of all products, in (0, 1)
 */
export function withColdProducts(prepared: Prepared, share: number, seed: number): ColdProducts {
  const { dataset } = prepared;
  const items = dataset.itemIds.length;
  const uniform = mulberry32(seed);
  const draws = Float64Array.from({ length: items }, () => uniform());
  const order = Array.from(draws.keys()).toSorted((a, b) => draws[a]! - draws[b]!);
  const cold = new Uint8Array(items);
  for (const item of order.slice(0, Math.round(share * items))) cold[item] = 1;
  const train = dataset.splits.train.map((list) => list.filter((item) => cold[item] === 0));
  const counts = countItems(train, items);
  const actions = dataset.actions && {
    ...dataset.actions,
    train: dataset.actions.train.map((types, user) =>
      types.filter((_, place) => cold[dataset.splits.train[user]![place]!] === 0),
    ),
  };
  return {
    prepared: {
      ...prepared,
      dataset: {
        ...dataset,
        splits: { ...dataset.splits, train },
        ...(actions && { actions }),
      },
      counts,
    },
    cold,
  };
}

/** How cold products get their vector: not at all (they are never shown), as fusion guesses it from
 * content alone, or with an imputed collaborative vector. */
type ColdMethod = "nothing" | "content" | "imputed";
const COLD_METHODS: readonly ColdMethod[] = ["nothing", "content", "imputed"];

interface ColdMetrics {
  readonly method: ColdMethod;
  /** Over the users whose target is a cold product. */
  readonly cold: readonly MetricsAt[];
  /** Over all users. */
  readonly overall: readonly MetricsAt[];
}

/**
 * Metrics on the test part, as the bundle would serve it.
 * @param vectors trained on `coldProducts.prepared`, one row of length 1 per product
 * @param ranking chosen on its validation part
 */
export async function coldProductMetrics(
  { prepared, cold }: ColdProducts,
  vectors: Matrix,
  ranking: RankingSettings,
  policy: HistoryPolicy,
): Promise<ColdMetrics[]> {
  const folder = await draftBundle(prepared, vectors, ranking, "cold products");
  const evaluationCase = coldCase(prepared.dataset.splits, cold);
  const targets = evaluationCase.targets.map((list) => list.filter((item) => cold[item] === 1));
  const { counts } = prepared;
  const users = prepared.dataset.splits.train.length;
  return COLD_METHODS.map((method) => {
    const shown = withColdVectors(prepared, vectors, folder, method);
    const prior = popularityPrior(counts, ranking.popularity);
    if (method === "nothing") counts.forEach((count, i) => count === 0 && (prior[i] = -Infinity));
    const scorer = pooledScorer({
      vectors: shown,
      histories: evaluationCase.histories,
      decay: ranking.decay,
      prior,
    });
    const at = (evaluated: EvaluationCase): MetricsAt[] => {
      const lists = topLists(evaluated, scorer, policy);
      return CUTOFFS.map((k) => metricsAt(k, lists, evaluated.targets, counts, users));
    };
    return { method, cold: at({ ...evaluationCase, targets }), overall: at(evaluationCase) };
  });
}

/** The test part without cold products in what is known of a user. */
function coldCase({ train, valid, test, testHistory }: Splits, cold: Uint8Array): EvaluationCase {
  const warm = (list: Int32Array): Int32Array => list.filter((item) => cold[item] === 0);
  const histories =
    testHistory === "train"
      ? train
      : train.map((list, user) => Int32Array.of(...list, ...warm(valid[user]!)));
  return { histories, targets: test };
}

/** The trained vectors; of cold products those of the method, zero where it has none. */
function withColdVectors(
  { features, counts }: Prepared,
  vectors: Matrix,
  folder: BundleFolder,
  method: ColdMethod,
): Matrix {
  const shown = matrix(vectors.rows, vectors.cols, vectors.data.slice());
  const { bundle, collaborative } =
    method === "imputed" ? withImputedCollaborative(folder, features, counts.length) : folder;
  const vectorsOf = modalityVectors(features, collaborative);
  for (const [item, count] of counts.entries()) {
    if (count > 0) continue;
    const fused = method === "nothing" ? undefined : fuse(bundle.fusion, vectorsOf(item));
    const row = rowOf(shown, item);
    if (fused === undefined) row.fill(0);
    else row.set(fused);
  }
  return shown;
}
