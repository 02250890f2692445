/** The whole circle: events in, a bundle trained from them, exported, served. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { temporaryFolder } from "@marquetry/testing/folders";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { loadBundle } from "@marquetry/backends/bundle/load";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import { Action, ClickstreamEventSchema } from "@marquetry/contracts/events/clickstream_pb";
import type { ClickstreamEvent } from "@marquetry/contracts/events/clickstream_pb";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { Strategy } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { startFusion } from "@marquetry/fusion/app";
import { mulberry32 } from "@marquetry/model/vectors/random";
import { startRankingGateway } from "@marquetry/ranking-gateway/app";
import { readRankingGatewayConfig } from "@marquetry/ranking-gateway/config";
import { startService } from "@marquetry/runtime/lifecycle";
import type { RunningService } from "@marquetry/runtime/lifecycle";
import { trainedBundle } from "./trained-bundle.js";
import type { TrainedBundle } from "@marquetry/learning/bundle/bundle-folder";
import { exportCollaborative } from "@marquetry/learning/system/export-collaborative";
import { learnModel } from "@marquetry/learning/learn/learn-model";
import type { ModelSettings } from "@marquetry/learning/learn/learn-model";
import type { Prepared } from "@marquetry/learning/representation/prepare";
import { prepareSystem } from "@marquetry/learning/system/prepare-system";
import { startUserProfile } from "@marquetry/user-profile/app";
import type { Platform } from "../src/platform.js";
import { createRecommendationClient } from "../src/recommendation-client.js";
import {
  deployments,
  endJourney,
  interaction,
  sendEvents,
  startJourney,
  until,
  untilSettled,
} from "./harness.js";
import { encodedText, KINDS, plantedBundle, row, sendEmbedded } from "./planted-bundle.js";
import type { PlantedBundle } from "./planted-bundle.js";
import { writeBundle } from "./service-process.js";

const ITEMS = 60;
const USERS = 40;
const INTERACTIONS = 6;
const START_MS_MAX = 180_000;
const HOUR_MS = 3_600_000;
/** As `npm run train` without options. */
const MODEL: ModelSettings = {
  fusion: "combined",
  scorer: "linear",
  interests: "recency",
  towers: false,
  alignment: 0,
};
const startMs = Date.now() - HOUR_MS;
/** When a product became available. */
const dayMs = (item: number): number => Date.UTC(2026, 0, 1 + item);

function erased(userId: string, atMs: number): ClickstreamEvent {
  return create(ClickstreamEventSchema, {
    eventId: randomUUID(),
    userId,
    occurredAt: timestampFromMs(atMs),
    event: { case: "erased", value: {} },
  });
}

/** User u looks at products of kind u mod KINDS; the events come in any order of time. */
function clicks(): ClickstreamEvent[] {
  const uniform = mulberry32(11);
  const events: ClickstreamEvent[] = [];
  for (let user = 0; user < USERS; user += 1) {
    const places = Array.from({ length: ITEMS / KINDS }, (_, i) => KINDS * i + (user % KINDS));
    places.sort(() => uniform() - 0.5);
    for (const [t, item] of places.slice(0, INTERACTIONS).entries()) {
      const atMs = startMs + 1_000 * t;
      const [userId, productId] = [`user-${user}`, `product-${item}`];
      events.push(interaction(userId, productId, { atMs, eventId: `${userId} ${t}` }));
    }
  }
  return events.toReversed();
}

/** Runs a command of the trainer. */
function trainer(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, ["apps/trainer/dist/src/main.js", ...args]);
}

describe.each(deployments())("training from the running system on %s", (_, servers) => {
  let platform: Platform;
  let planted: PlantedBundle;
  let prepared: Prepared;
  let trained: TrainedBundle;
  const services: RunningService[] = [];

  beforeAll(async () => {
    planted = await plantedBundle(ITEMS, 0);
    platform = await startJourney(servers, {}, planted.bundle);
    const { bus, index, bundle } = platform;
    await sendEmbedded(
      bus,
      planted.itemIds.map((id, i) => encodedText(id, row(planted.text, i), { atMs: dayMs(i) })),
    );
    await untilSettled(platform);
    const all = clicks();
    await sendEvents(bus, [
      ...all,
      // Nothing may be learned from these.
      ...all.slice(0, 20),
      interaction("user-0", "product-1", { action: Action.DISMISS }),
      interaction("user-0", "not-in-the-catalogue"),
      ...[1, 2, 3].map((t) => interaction("gone", `product-${t}`, { atMs: startMs + t })),
      erased("gone", startMs + 9),
      // Looked at again, and bought: one interaction.
      interaction("user-1", "product-55", { atMs: startMs + HOUR_MS / 2 }),
      interaction("user-1", "product-55", {
        atMs: startMs + HOUR_MS / 2 + 1,
        action: Action.PURCHASE,
      }),
    ]);
    prepared = await prepareSystem({ bus, index, bundle, name: "shop", report: () => {} });
  }, START_MS_MAX);

  afterAll(async () => {
    for (const service of services.toReversed()) await service.close();
    if (platform === undefined) return;
    if (trained !== undefined) {
      await platform.index.dropCollection(productCollection(trained.bundle.id));
    }
    await endJourney(platform);
  });

  test("reads products as the index has them", () => {
    const { dataset, features, encoders } = prepared;
    expect(dataset.itemIds).toEqual([...planted.itemIds].sort());
    expect(encoders).toEqual({ text: planted.bundle.encoders["text"] });
    const item = dataset.itemIds.indexOf("product-7");
    expect(Array.from(row(features["text"]!, item))).toEqual(Array.from(row(planted.text, 7)));
    const { availableFromMs, evaluatedAtMs } = dataset.dates!;
    expect(availableFromMs.length).toBe(ITEMS);
    expect(availableFromMs[item]).toBe(dayMs(7));
    // The last of the six interactions, a second apart, and the last but one.
    expect(evaluatedAtMs.test[0]).toBe(startMs + 1_000 * (INTERACTIONS - 1));
    expect(evaluatedAtMs.valid[0]).toBe(startMs + 1_000 * (INTERACTIONS - 2));
  });

  test("reads each interaction once, in order of time, without erased users and dislikes", () => {
    const { dataset } = prepared;
    const { train, valid, test: last } = dataset.splits;
    const lists = train.map((list, user) => [list, valid[user]!, last[user]!]);
    const named = lists.map((own) =>
      own.flatMap((list) => Array.from(list, (item) => dataset.itemIds[item]!)),
    );
    const expected = Map.groupBy(clicks().toReversed(), ({ userId }) => userId);
    const want = [...expected.keys()].sort().map((userId) => {
      const own = expected.get(userId)!.map(({ event }) => {
        return event.case === "interaction" ? event.value.productId : "";
      });
      return userId === "user-1" ? own.concat("product-55") : own;
    });
    expect(named).toEqual(want);
    expect(last.every((list) => list.length === 1)).toBe(true);
  });

  test(
    "gives a bundle whose services recommend what its shoppers like",
    async () => {
      const { bus, index } = platform;
      const { vectors, ranking } = await learnModel(prepared, MODEL, {
        seed: 1,
        report: () => {},
      });
      const made = await trainedBundle(prepared, vectors, ranking);
      // The servers are shared: an id of its own.
      const bundle = { ...made.bundle, id: `shop-${randomUUID().slice(0, 8)}` };
      trained = { ...made, bundle };
      const profiles = openProfileStore("memory:", {
        bundleId: bundle.id,
        popularityHalfLifeMs: bundle.ranking.popularityHalfLifeMs,
      });
      const config = readRankingGatewayConfig({
        VECTOR_INDEX_URL: "memory:",
        PROFILE_STORE_URL: "memory:",
        HTTP_PORT: "0",
        GRPC_PORT: "0",
        LOG_LEVEL: "silent",
      });
      const fail = (error: unknown): void => console.error("a service failed:", error);
      services.push(
        await startService(
          "fusion",
          config,
          (_c, context) => startFusion(context, { bundle, bus, index }),
          fail,
        ),
      );
      const collection = productCollection(bundle.id);
      await until("the new collection has every product", async () => {
        return (await index.count(collection)) === ITEMS;
      });
      const products = Array.from(
        made.collaborative.items,
        (item) => prepared.dataset.itemIds[item]!,
      );
      const { vectors: collaborative } = made.collaborative;
      await exportCollaborative({
        bundle,
        products,
        vectors: collaborative,
        bus,
        index,
        report: () => {},
      });
      await until("every product has its collaborative vector", async () => {
        const points = await index.retrieve(collection, products, [COLLABORATIVE]);
        return [...points.values()].every(({ vectors: own }) => own[COLLABORATIVE] !== undefined);
      });
      const points = await index.retrieve(collection, products, [FUSED_VECTOR]);
      const apart = Array.from(made.collaborative.items).flatMap((item, i) =>
        Array.from(points.get(products[i]!)!.vectors[FUSED_VECTOR]!, (x, j) =>
          Math.abs(x - row(vectors, item)[j]!),
        ),
      );
      expect(Math.max(...apart)).toBeLessThan(1e-5);
      let port = 0;
      services.push(
        await startService(
          "user-profile",
          config,
          (_c, context) => startUserProfile(context, { bundle, bus, index, profiles }),
          fail,
        ),
        await startService(
          "ranking-gateway",
          config,
          async (gateway, context) =>
            void (port = await startRankingGateway(gateway, context, { bundle, index, profiles })),
          fail,
        ),
      );
      await until("every user has a profile", async () => {
        const ids = Array.from({ length: USERS }, (_u, user) => `user-${user}`);
        const found = await profiles.read(ids);
        return found.every((profile) => (profile?.history.length ?? 0) >= INTERACTIONS);
      });
      const client = createRecommendationClient(port);
      let own = 0;
      for (let user = 0; user < USERS; user += 1) {
        const answer = await client.recommend({
          userId: `user-${user}`,
          limit: 4,
          excludeSeen: true,
        });
        expect(answer.strategy).toBe(Strategy.PERSONALISED);
        expect(answer.bundleId).toBe(bundle.id);
        own += answer.items.filter(
          ({ productId }) => Number(productId.slice("product-".length)) % KINDS === user % KINDS,
        ).length;
      }
      client.close();
      // Each has four products of their own kind to come; by chance one answer in six would be of it.
      expect(own / (4 * USERS)).toBeGreaterThan(0.6);
    },
    START_MS_MAX,
  );

  // In memory there is nothing that a command could reach.
  if (servers["EVENT_BUS_URL"] !== undefined) {
    test(
      "the commands train and evaluate by the system's addresses",
      async () => {
        const { bundle } = platform;
        await using folder = await temporaryFolder();
        const { directory } = folder;
        const out = join(directory, "trained");
        const system = [
          "--from-system",
          "--running-bundle",
          await writeBundle(join(directory, "running"), bundle),
          "--event-bus-url",
          `${servers["EVENT_BUS_URL"]}?prefix=${bundle.id}.`,
          "--vector-index-url",
          servers["VECTOR_INDEX_URL"]!,
        ];
        const trained = await trainer("train", ...system, "--name", "corner", "--out", out);
        const { id, training } = await loadBundle(out);
        expect(trained.stdout).toBe(`${id}\t${out}\n`);
        expect(id).toMatch(/^corner-[0-9a-f]{8}$/);
        const { bundle: ndcg, popularity } = training!.metrics["unmasked/ndcg@10"]!;
        expect(ndcg).toBeGreaterThan(popularity);
        expect(trained.stderr).toContain("| the bundle ");

        const options = ["--bundle", out, "--methods", "bundle", "--json"];
        const evaluated = await trainer("evaluate", ...system, "--name", "corner", ...options);
        const lines = evaluated.stdout.trimEnd().split("\n");
        const metrics = lines.map((line) => JSON.parse(line) as { name: string; value: number });
        const valueOf = (name: string) => metrics.find((metric) => metric.name === name)?.value;
        expect(valueOf(`corner/${id}/unmasked/ndcg@10`)).toBeCloseTo(ndcg, 12);
        expect(valueOf("corner/popularity/unmasked/ndcg@10")).toBeCloseTo(popularity, 12);
      },
      START_MS_MAX,
    );
  }
});
