/**
 * Serving parity: a dataset's test question asked of the running services, beside the trainer's own
 * answer for the same bundle and users.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { EventBus } from "@marquetry/backends/event-bus";
import { HISTORY_EVENTS_MAX } from "@marquetry/backends/profile-store";
import { Action, ClickstreamEventSchema } from "@marquetry/contracts/events/clickstream_pb";
import { ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { CLICKSTREAM, PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import type { BundleFolder } from "@marquetry/learning/bundle/bundle-folder";
import { countItems, evaluationCaseOf } from "@marquetry/learning/dataset";
import type { EvaluationCase } from "@marquetry/learning/dataset";
import { metricsAt, meanOf } from "@marquetry/learning/scoring/metrics";
import type { Mean } from "@marquetry/learning/scoring/metrics";
import {
  fusedVectors,
  graphInterests,
  servedScorer,
  withImputedCollaborative,
} from "@marquetry/learning/bundle/served";
import { evaluatedUsers, topLists } from "@marquetry/learning/scoring/top-lists";
import type { TopLists } from "@marquetry/learning/scoring/top-lists";
import { exportCollaborative } from "@marquetry/learning/system/export-collaborative";
import type { Prepared } from "@marquetry/learning/representation/prepare";
import type { Platform } from "../../src/platform.js";
import { createRecommendationClient } from "../../src/recommendation-client.js";

/** What the trainer answers. */
export interface OfflineAnswer {
  readonly prepared: Prepared;
  readonly folder: BundleFolder;
  /** Whether own products are left out. */
  readonly masked: boolean;
  /** Of all users, also those who are not asked: they make products popular. */
  readonly histories: readonly Int32Array[];
  readonly targets: readonly Int32Array[];
  /** By product, how often it stands in the histories. */
  readonly counts: Float64Array;
  readonly lists: TopLists;
}

export interface ServedOptions {
  /** Runs the folder's bundle, without an encoder, and nothing has been sent to it. */
  readonly platform: Platform;
  /** Resolves when every consumer has settled what was sent. */
  readonly settled: () => Promise<void>;
  readonly progress: (line: string) => void;
}

export interface ParityMetric {
  /** Such as `recall@10`. */
  readonly name: string;
  readonly served: Mean;
  readonly offline: Mean;
}

export interface Parity {
  readonly users: number;
  readonly metrics: readonly ParityMetric[];
  /** Share of a user's products that both lists have. */
  readonly overlap: Mean;
  /** Answers that said that they are less than the best, as where the profile store did not answer
   * in time: a difference that they make is none of the model. */
  readonly degraded: number;
}

const PUBLISHED_AT_ONCE = 500;
const CALLS_AT_ONCE = 16;
const CUTOFFS = [10, 20];
const LIST = Math.max(...CUTOFFS);

/**
 * The trainer's full ranking with what services will know: popularity counts all histories, products
 * without behaviour are imputed. Users with longer histories than a profile keeps are not asked.
 * Computed before the services start, since it leaves the process no time for heartbeats.
 */
export async function offlineAnswer(
  prepared: Prepared,
  folder: BundleFolder,
  { usersMax, masked }: { readonly usersMax: number; readonly masked: boolean },
): Promise<OfflineAnswer> {
  const { dataset, features } = prepared;
  const { histories, targets } = caseOfSome(evaluationCaseOf(dataset, "test"), usersMax);
  const counts = countItems(histories, dataset.itemIds.length);
  const imputed = withImputedCollaborative(folder, features, dataset.itemIds.length);
  const vectors = fusedVectors(imputed, features, counts.length);
  const interestsOf = await graphInterests(imputed.bundle, vectors, histories);
  const scorerFor = servedScorer(imputed, features, counts, { interestsOf, vectors });
  const lists = topLists({ histories, targets }, scorerFor(histories), { masked });
  return { prepared, folder, masked, histories, targets, counts, lists };
}

/**
 * Sends the products as an encoder would, the behaviour by an export, and every user's history as
 * clicks, then asks for each user.
 *
 * All events happened within the last moments, a millisecond apart, so that the popularity that
 * services let decay is still the plain count that the trainer has.
 */
export async function measureParity(
  offline: OfflineAnswer,
  served: ServedOptions,
): Promise<Parity> {
  const { platform, settled, progress } = served;
  const { prepared, folder, histories, targets, counts, lists } = offline;
  const { itemIds } = prepared.dataset;
  await sendProducts(prepared, platform.bus);
  await settled();
  progress(`${itemIds.length} products are fused`);
  await exportCollaborative({
    bundle: platform.bundle,
    products: Array.from(folder.behaviour.items, (item) => itemIds[item]!),
    vectors: folder.behaviour.vectors,
    bus: platform.bus,
    index: platform.index,
    report: () => {},
  });
  await settled();
  progress("behaviour is exported");
  await sendHistories(histories, itemIds, platform.bus);
  await settled();
  progress(`${histories.length} users have their history`);
  const { degraded, ...answered } = await ask(offline, served);
  const answers = { users: lists.users, lists: answered.lists };
  return {
    users: lists.users.length,
    metrics: CUTOFFS.flatMap((k) => metricsOf(k, answers, lists, targets, counts)),
    overlap: overlapOf(answers, lists),
    degraded,
  };
}

/** The question of some users alone, evenly from all whose history a profile holds as a whole. */
function caseOfSome(evaluationCase: EvaluationCase, usersMax: number): EvaluationCase {
  const { histories, targets } = evaluationCase;
  const fit = evaluatedUsers(evaluationCase).filter(
    (user) => histories[user]!.length <= HISTORY_EVENTS_MAX,
  );
  const step = Math.max(1, fit.length / usersMax);
  const asked = new Set(
    Array.from({ length: Math.min(usersMax, fit.length) }, (_, i) => fit[Math.floor(i * step)]!),
  );
  return {
    histories,
    targets: targets.map((list, user) => (asked.has(user) ? list : new Int32Array())),
  };
}

function metricsOf(
  k: number,
  served: TopLists,
  offline: TopLists,
  targets: readonly Int32Array[],
  counts: Float64Array,
): ParityMetric[] {
  const [ours, theirs] = [served, offline].map((lists) =>
    metricsAt(k, lists, targets, counts, targets.length),
  );
  return [
    { name: `recall@${k}`, served: ours!.recall, offline: theirs!.recall },
    { name: `ndcg@${k}`, served: ours!.ndcg, offline: theirs!.ndcg },
  ];
}

function overlapOf(served: TopLists, offline: TopLists): Mean {
  return meanOf(
    served.lists.map((list, i) => {
      const other = new Set(offline.lists[i]!.subarray(0, LIST));
      return list.filter((item) => other.has(item)).length / Math.max(1, other.size);
    }),
  );
}

async function sendProducts({ dataset, features, encoders }: Prepared, bus: EventBus) {
  const at = timestampFromMs(Date.now());
  const toEvent = (productId: string, item: number): ProductEmbedded =>
    create(ProductEmbeddedSchema, {
      productId,
      revision: 1n,
      occurredAt: at,
      state: {
        case: "embedded",
        value: {
          attributes: { title: productId },
          embeddings: Object.entries(features).map(([modality, { cols, data }]) => ({
            modality,
            encoder: encoders[modality]!.encoder,
            digest: productId,
            vector: vectorToBytes(data.slice(item * cols, (item + 1) * cols)),
          })),
        },
      },
    });
  for (let from = 0; from < dataset.itemIds.length; from += PUBLISHED_AT_ONCE) {
    const records = dataset.itemIds.slice(from, from + PUBLISHED_AT_ONCE).map((id, i) => ({
      key: id,
      value: toBinary(ProductEmbeddedSchema, toEvent(id, from + i)),
    }));
    await bus.publish(PRODUCT_EMBEDDINGS.name, records);
  }
}

async function sendHistories(
  histories: readonly Int32Array[],
  itemIds: readonly string[],
  bus: EventBus,
): Promise<void> {
  const longest = histories.reduce((most, { length }) => Math.max(most, length), 0);
  const startMs = Date.now() - longest;
  const events = histories.flatMap((history, user) =>
    Array.from(history, (item, t) => ({ userId: userId(user), productId: itemIds[item]!, t })),
  );
  for (let from = 0; from < events.length; from += PUBLISHED_AT_ONCE) {
    const records = events.slice(from, from + PUBLISHED_AT_ONCE).map((event) => ({
      key: event.userId,
      value: toBinary(
        ClickstreamEventSchema,
        create(ClickstreamEventSchema, {
          eventId: `${event.userId}-${event.t}`,
          userId: event.userId,
          occurredAt: timestampFromMs(startMs + event.t),
          event: {
            case: "interaction",
            value: { productId: event.productId, action: Action.VIEW },
          },
        }),
      ),
    }));
    await bus.publish(CLICKSTREAM.name, records);
  }
}

function userId(user: number): string {
  return `user-${user}`;
}

/** One list per user, by the products' numbers. */
async function ask(
  { prepared, masked, lists: { users } }: OfflineAnswer,
  { platform, progress }: ServedOptions,
): Promise<{ readonly lists: Int32Array[]; readonly degraded: number }> {
  const numberOf = new Map(prepared.dataset.itemIds.map((id, i) => [id, i]));
  const client = createRecommendationClient(platform.grpcPort);
  const lists: Int32Array[] = [];
  let degraded = 0;
  try {
    for (let from = 0; from < users.length; from += CALLS_AT_ONCE) {
      const calls = Array.from(users.subarray(from, from + CALLS_AT_ONCE), (user) =>
        client.recommend({ userId: userId(user), limit: LIST, excludeSeen: masked }),
      );
      for (const { items, degradationReasons } of await Promise.all(calls)) {
        if (degradationReasons.length > 0) degraded += 1;
        lists.push(Int32Array.from(items, ({ productId }) => numberOf.get(productId)!));
      }
    }
  } finally {
    client.close();
  }
  progress(`${users.length} users are answered`);
  return { lists, degraded };
}
