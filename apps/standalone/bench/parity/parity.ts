/**
 * Serving parity: the running services answer a dataset's test part, beside the trainer's own answer
 * for the same bundle and users.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { EventBus } from "@marquetry/backends/event-bus";
import { Action, ClickstreamEventSchema } from "@marquetry/contracts/events/clickstream_pb";
import { ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { CLICKSTREAM, PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import { compareServed, PARITY_LIST_LENGTH } from "@marquetry/learning/experiments/serving-parity";
import type { OfflineAnswer, ParityMetrics } from "@marquetry/learning/experiments/serving-parity";
import { exportCollaborative } from "@marquetry/learning/system/export-collaborative";
import type { Platform } from "../../src/platform.js";
import { createRecommendationClient } from "../../src/recommendation-client.js";

interface ServedOptions {
  /** Runs the folder's bundle, without an encoder, and nothing has been sent to it. */
  readonly platform: Platform;
  /** Resolves when every consumer has settled what was sent. */
  readonly settled: () => Promise<void>;
  readonly progress: (line: string) => void;
}

export interface Parity extends ParityMetrics {
  readonly users: number;
  /** Answers that said that they are less than the best, as where the profile store did not answer
   * in time: a difference that they make is none of the model. */
  readonly degraded: number;
}

const PUBLISHED_AT_ONCE = 500;
const CALLS_AT_ONCE = 16;
/**
 * Sends the products as an encoder would, collaborative vectors by an export, and every user's history as
 * clicks, then requests recommendations for each user.
 *
 * All events happened within the last moments, a millisecond apart, so that the popularity that
 * services let decay is still the plain count that the trainer has.
 */
export async function measureParity(
  offline: OfflineAnswer,
  served: ServedOptions,
): Promise<Parity> {
  const { platform, settled, progress } = served;
  const { prepared, folder, histories, lists } = offline;
  const { itemIds } = prepared.dataset;
  await sendProducts(prepared, platform.bus);
  await settled();
  progress(`${itemIds.length} products are fused`);
  await exportCollaborative({
    bundle: platform.bundle,
    products: Array.from(folder.collaborative.items, (item) => itemIds[item]!),
    vectors: folder.collaborative.vectors,
    bus: platform.bus,
    index: platform.index,
    report: () => {},
  });
  await settled();
  progress("collaborative vectors are exported");
  await sendHistories(histories, itemIds, platform.bus);
  await settled();
  progress(`${histories.length} users have their history`);
  const answers = await recommendations(offline, served);
  const { users } = lists;
  const metrics = compareServed(offline, answers.lists);
  return { users: users.length, degraded: answers.degraded, ...metrics };
}

async function sendProducts(
  { dataset, features, encoders }: OfflineAnswer["prepared"],
  bus: EventBus,
): Promise<void> {
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
async function recommendations(
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
        client.recommend({ userId: userId(user), limit: PARITY_LIST_LENGTH, excludeSeen: masked }),
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
