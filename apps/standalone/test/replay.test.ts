/** Whatever the order and however often events arrive, index and profiles end the same. */
import { modelsDirectory } from "@marquetry/runtime/directories";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { withPrefixes } from "@marquetry/backends/event-bus/prefixes";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import { Action } from "@marquetry/contracts/events/clickstream_pb";
import type { ClickstreamEvent } from "@marquetry/contracts/events/clickstream_pb";
import { ProductChangeSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductChange } from "@marquetry/contracts/events/product_pb";
import { readEncoderConfig } from "@marquetry/encoder/config";
import { startEncoder } from "@marquetry/encoder/app";
import { startFusion } from "@marquetry/fusion/app";
import { startService } from "@marquetry/runtime/lifecycle";
import { startUserProfile } from "@marquetry/user-profile/app";
import type { Platform } from "../src/platform.js";
import {
  deployments,
  endJourney,
  interaction,
  metric,
  sendChanges,
  sendEvents,
  startJourney,
  until,
  untilSettled,
} from "./harness.js";

const PRODUCTS = 24;
const REVISIONS = 4;
const USERS = 12;
const EVENTS_OF_USER = 130;
const NOW = Date.UTC(2026, 0, 15);
const START_MS_MAX = 120_000;

/** Every revision of every product in order; the last of every sixth product removes it. */
const changes: ProductChange[] = Array.from({ length: REVISIONS }, (_, step) =>
  Array.from({ length: PRODUCTS }, (_unused, product) => {
    const removed = step === REVISIONS - 1 && product % 6 === 0;
    return create(ProductChangeSchema, {
      productId: `product-${product}`,
      revision: BigInt(step + 1),
      occurredAt: timestampFromMs(NOW + step),
      change: removed
        ? { case: "removed", value: {} }
        : {
            case: "upserted",
            value: {
              title: `Thing ${product}, edition ${step}`,
              categories: [`Kind ${product % 3}`],
            },
          },
    });
  }),
).flat();

/** More events than a history holds, some at the same instant. */
const events: ClickstreamEvent[] = Array.from({ length: EVENTS_OF_USER }, (_, step) =>
  Array.from({ length: USERS }, (_unused, user) =>
    interaction(`user-${user}`, `product-${(step * 5 + user) % PRODUCTS}`, {
      action: step % 9 === 0 ? Action.PURCHASE : Action.VIEW,
      atMs: NOW + Math.floor(step / 2) * 1_000,
      eventId: `event-${user}-${step}`,
    }),
  ),
).flat();

const productIds = Array.from({ length: PRODUCTS }, (_, product) => `product-${product}`);
const userIds = Array.from({ length: USERS }, (_, user) => `user-${user}`);

/** Deterministic disorder, with every third one twice. */
function shuffledWithDuplicates<Item>(items: readonly Item[]): Item[] {
  const key = (at: number): string => createHash("sha256").update(String(at)).digest("hex");
  const all = [...items, ...items.filter((_, at) => at % 3 === 0)];
  return all
    .map((item, at) => ({ item, key: key(at) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ item }) => item);
}

async function feed(
  platform: Platform,
  catalogue: readonly ProductChange[],
  clickstream: readonly ClickstreamEvent[],
): Promise<void> {
  await sendChanges(platform.bus, catalogue);
  await untilSettled(platform);
  await sendEvents(platform.bus, clickstream);
  await untilSettled(platform);
}

/** Everything stored about the products and users; of vectors a digest of all their bytes. */
async function snapshot({ index, profiles, bundle }: Platform): Promise<unknown> {
  const names = ["text", FUSED_VECTOR];
  const points = await index.retrieve(productCollection(bundle.id), productIds, names);
  const stored = await profiles.read(userIds);
  return {
    points: productIds.map((id) => {
      const { payload, vectors } = points.get(id) ?? {};
      return { payload, vectors: names.map((name) => digestOf(vectors?.[name])) };
    }),
    profiles: stored.map((profile) => ({
      history: profile?.history,
      interests: profile?.interests.map(digestOf),
    })),
  };
}

function digestOf(vector: Float32Array | undefined): string | undefined {
  if (vector === undefined) return undefined;
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
  return createHash("sha256").update(bytes).digest("hex");
}

describe.each(deployments())("events in any order on %s", (_, servers) => {
  let ordered: Platform;
  let disordered: Platform;

  beforeAll(async () => {
    ordered = await startJourney(servers);
    disordered = await startJourney(servers);
    await feed(ordered, changes, events);
  }, START_MS_MAX);

  afterAll(async () => {
    for (const platform of [ordered, disordered])
      if (platform !== undefined) await endJourney(platform);
  });

  test("what is compared is there: products, tombstones, full histories and interests", async () => {
    const points = await ordered.index.retrieve(productCollection(ordered.bundle.id), productIds, [
      FUSED_VECTOR,
    ]);
    const removed = [...points.values()].filter(({ payload }) => payload.removed);
    expect(points.size).toBe(PRODUCTS);
    expect(removed).toHaveLength(PRODUCTS / 6);
    for (const { payload } of points.values()) expect(payload.revision).toBe(REVISIONS);
    for (const profile of await ordered.profiles.read(userIds)) {
      expect(profile?.history).toHaveLength(100);
      expect(profile?.interests).toHaveLength(1);
    }
  });

  test("duplicates and disorder end in the same index and profiles, byte for byte", async () => {
    await feed(disordered, shuffledWithDuplicates(changes), shuffledWithDuplicates(events));
    expect(await snapshot(disordered)).toEqual(await snapshot(ordered));
  });

  test("a full replay from the first offset changes nothing, byte for byte", async () => {
    const before = await snapshot(disordered);
    const popularity = await disordered.profiles.popularity(productIds, NOW + 86_400_000);

    // Other consumer groups read every topic from its start, into the same index and profiles.
    const bus = withPrefixes(disordered.bus, { topics: "", groups: "replay-" });
    const config = readEncoderConfig({
      EVENT_BUS_URL: "memory:",
      HTTP_PORT: "0",
      GRPC_PORT: "0",
      LOG_LEVEL: "silent",
      MODELS_DIR: modelsDirectory(process.env),
    });
    const fail = (error: unknown): void => console.error("a service failed:", error);
    const ports = { ...disordered, bus };
    const services = [
      await startService("fusion", config, (_config, context) => startFusion(context, ports), fail),
      await startService(
        "encoder",
        config,
        async (config, context) => void (await startEncoder(config, context, ports)),
        fail,
      ),
      await startService(
        "user-profile",
        config,
        (_config, context) => startUserProfile(context, ports),
        fail,
      ),
    ];
    try {
      const names = ["fusion", "encoder", "user-profile"] as const;
      for (const [at, service] of services.entries()) {
        const name = names[at] as (typeof names)[number];
        const replayed = {
          ...disordered,
          healthPorts: { ...disordered.healthPorts, [name]: service.healthPort },
        };
        await until(`${name} has read everything again`, async () => {
          const lag = `marquetry_${name.replace("-", "_")}_consumer_lag_records`;
          return (await metric(replayed, name, lag)) === 0;
        });
      }
      // What the replaying encoder published again, the first fusion reads too.
      await untilSettled(disordered);
    } finally {
      for (const service of services.toReversed()) await service.close();
    }
    expect(await snapshot(disordered)).toEqual(before);
    expect(Array.from(await disordered.profiles.popularity(productIds, NOW + 86_400_000))).toEqual(
      Array.from(popularity),
    );
  });
});
