/** From prepared data to a bundle that can be written, with its metrics on the test part. */
import type { TrainingRecord } from "@marquetry/model/bundle";
import { sha256Hex } from "@marquetry/model/bundle/digest";
import type { Dataset } from "../dataset/dataset.js";
import { learnModel } from "../learn/learn-model.js";
import type { LearnedModel, ModelSettings } from "../learn/learn-model.js";
import type { Prepared } from "../representation/prepare.js";
import { popularityResults } from "../scoring/method-result.js";
import type { MethodResult } from "../scoring/method-result.js";
import type { TrainedBundle } from "./bundle-folder.js";
import { bundleResults } from "./bundle-results.js";
import { chooseFreshness, withFreshness } from "./choose-freshness.js";
import { nativeFusion } from "./native-fusion.js";
import { draftBundle, sealBundle } from "./trained-bundle.js";
import type { Serving } from "./trained-bundle.js";

interface LearnBundleOptions {
  readonly seed: number;
  /** The command, as far as the result depends on it. */
  readonly createdBy: string;
  /** Folder of checkpoints. Default: none are written. */
  readonly checkpoint?: string | undefined;
  /** Gets lines of progress. */
  readonly report: (line: string) => void;
}

interface LearnedBundle {
  readonly trained: TrainedBundle;
  /** Content of report.json. */
  readonly report: unknown;
  /** On the test part: popularity, then the bundle. */
  readonly results: readonly MethodResult[];
}

/**
 * Learns the model, makes a bundle of it, chooses what newness is worth by the bundle's own ranking,
 * and measures the bundle as services will use it. Equal data and seed give equal bytes.
 * @throws as `learnModel` and `sealBundle`
 */
export async function learnBundle(
  prepared: Prepared,
  settings: ModelSettings,
  { seed, createdBy, checkpoint, report }: LearnBundleOptions,
): Promise<LearnedBundle> {
  const data = await interactionsDigest(prepared.dataset);
  const checkpoints = checkpoint === undefined ? undefined : { directory: checkpoint, data };
  const model = await learnModel(prepared, settings, { seed, report, checkpoints });
  const { vectors, ranking, reranking } = model;
  const serving = servingOf(prepared, model);
  const draft = await draftBundle(prepared, vectors, ranking, createdBy, serving);
  const freshness = await chooseFreshness(prepared, draft);
  const folder = freshness ? { ...draft, bundle: withFreshness(draft.bundle, freshness) } : draft;
  const popularity = popularityResults(prepared);
  const bundle = await bundleResults(prepared, folder, "the bundle");
  const training = { interactionsSha256: data, metrics: trainingMetrics(bundle, popularity) };
  return {
    trained: await sealBundle(folder, prepared, vectors, training),
    report: {
      createdBy,
      interactionsSha256: data,
      ranking: { ...ranking, ...(freshness && { freshness }) },
      ...(reranking && { reranker: reranking.validation }),
      test: [...bundle, ...popularity].map(storedResult),
    },
    results: [...popularity, ...bundle],
  };
}

function servingOf(prepared: Prepared, { fusion, reranking, pooling }: LearnedModel): Serving {
  return {
    served: fusion && nativeFusion(prepared, fusion),
    reranker: reranking?.model,
    neighbours: reranking?.neighbours,
    pooling,
  };
}

/** Recall and NDCG of a bundle beside those of popularity, by policy and metric, one run each. */
function trainingMetrics(
  bundle: readonly MethodResult[],
  popularity: readonly MethodResult[],
): TrainingRecord["metrics"] {
  const metrics: Record<string, TrainingRecord["metrics"][string]> = {};
  for (const { policy, runs } of bundle) {
    const [beside] = popularity.find((result) => result.policy === policy)!.runs;
    for (const [at, { k, recall, ndcg }] of runs[0]!.entries()) {
      const other = beside![at]!;
      metrics[`${policy}/recall@${k}`] = { bundle: recall.value, popularity: other.recall.value };
      metrics[`${policy}/ndcg@${k}`] = { bundle: ndcg.value, popularity: other.ndcg.value };
    }
  }
  return metrics;
}

/** As report.json has it: its keys stay. */
function storedResult({ method, policy, runs, chosen, beyondPublished }: MethodResult) {
  return { method, rule: policy, runs, chosen, ...(beyondPublished && { beyondPublished }) };
}

/** Of the interactions, in whatever files they came. */
function interactionsDigest({ itemIds, splits }: Dataset): Promise<string> {
  const lists = [splits.train, splits.valid, splits.test].map((part) =>
    part.map((list) => Array.from(list)),
  );
  return sha256Hex(new TextEncoder().encode(JSON.stringify([itemIds, lists])));
}
