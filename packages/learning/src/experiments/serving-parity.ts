/**
 * Serving parity: a dataset's test part answered by the trainer with a bundle, to be compared with
 * what the running services answer for the same bundle and users.
 */
import { HISTORY_EVENTS_MAX } from "@marquetry/backends/profile-store";
import { readBundleFolder } from "../bundle/bundle-folder.js";
import type { BundleFolder } from "../bundle/bundle-folder.js";
import { exportedBundle } from "../bundle/exported.js";
import { servedScorer } from "../bundle/served.js";
import { countItems, evaluationCaseOf } from "../dataset/dataset.js";
import type { EvaluationCase } from "../dataset/dataset.js";
import { prepare } from "../representation/prepare.js";
import type { Prepared, PrepareOptions } from "../representation/prepare.js";
import { metricsAt } from "../scoring/metrics.js";
import { meanOf } from "../scoring/statistics.js";
import type { Mean } from "../scoring/statistics.js";
import { evaluatedUsers, topLists } from "../scoring/top-lists.js";
import type { TopLists } from "../scoring/top-lists.js";

/** Data, and a bundle that was learned from it. */
interface ParityData {
  readonly prepared: Prepared;
  readonly folder: BundleFolder;
}

/** The trainer's answer. */
export interface OfflineAnswer extends ParityData {
  /** Whether products of the user's own history are never shown. */
  readonly masked: boolean;
  /** Of all users, also those who are not evaluated: they make products popular. */
  readonly histories: readonly Int32Array[];
  readonly targets: readonly Int32Array[];
  /** By product, how often it stands in the histories. */
  readonly counts: Float64Array;
  readonly lists: TopLists;
}

interface ParityMetric {
  /** Such as `recall@10`. */
  readonly name: string;
  readonly served: Mean;
  readonly offline: Mean;
}

export interface ParityMetrics {
  readonly metrics: readonly ParityMetric[];
  /** Share of a user's products that both lists have. */
  readonly overlap: Mean;
}

const CUTOFFS = [10, 20];
/** Products that each user is answered with. */
export const PARITY_LIST_LENGTH = Math.max(...CUTOFFS);

/** @throws as `prepare` and `readBundleFolder` */
export async function readParityData(
  dataset: string,
  bundle: string,
  options: PrepareOptions,
): Promise<ParityData> {
  const prepared = await prepare(dataset, options);
  return { prepared, folder: await readBundleFolder(bundle, prepared.dataset.itemIds) };
}

/**
 * The trainer's full ranking with what services will know: popularity counts all histories, cold
 * products are imputed. Users with longer histories than a profile holds are not evaluated.
 */
export async function offlineAnswer(
  { prepared, folder }: ParityData,
  { usersMax, masked }: { readonly usersMax: number; readonly masked: boolean },
): Promise<OfflineAnswer> {
  const { dataset, features } = prepared;
  const { histories, targets } = caseOfSome(evaluationCaseOf(dataset, "test"), usersMax);
  const counts = countItems(histories, dataset.itemIds.length);
  const exported = await exportedBundle(folder, features, counts.length, histories);
  const scorerFor = servedScorer(exported.folder, features, counts, exported);
  const lists = topLists({ histories, targets }, scorerFor(histories), { masked });
  return { prepared, folder, masked, histories, targets, counts, lists };
}

/** @param served one list per user of the offline lists, by the products' numbers */
export function compareServed(
  { lists: offline, targets, counts }: OfflineAnswer,
  served: readonly Int32Array[],
): ParityMetrics {
  const answers = { users: offline.users, lists: served };
  const metrics = CUTOFFS.flatMap((k): ParityMetric[] => {
    const [ours, theirs] = [answers, offline].map((lists) =>
      metricsAt(k, lists, targets, counts, targets.length),
    );
    return [
      { name: `recall@${k}`, served: ours!.recall, offline: theirs!.recall },
      { name: `ndcg@${k}`, served: ours!.ndcg, offline: theirs!.ndcg },
    ];
  });
  return { metrics, overlap: overlapOf(answers, offline) };
}

/** Of some users alone, evenly from all whose history a profile holds as a whole. */
function caseOfSome(evaluationCase: EvaluationCase, usersMax: number): EvaluationCase {
  const { histories, targets } = evaluationCase;
  const fit = evaluatedUsers(evaluationCase).filter(
    (user) => histories[user]!.length <= HISTORY_EVENTS_MAX,
  );
  const step = Math.max(1, fit.length / usersMax);
  const evaluated = new Set(
    Array.from({ length: Math.min(usersMax, fit.length) }, (_, i) => fit[Math.floor(i * step)]!),
  );
  return {
    histories,
    targets: targets.map((list, user) => (evaluated.has(user) ? list : new Int32Array())),
  };
}

function overlapOf(served: TopLists, offline: TopLists): Mean {
  return meanOf(
    served.lists.map((list, i) => {
      const other = new Set(offline.lists[i]!.subarray(0, PARITY_LIST_LENGTH));
      return list.filter((item) => other.has(item)).length / Math.max(1, other.size);
    }),
  );
}
