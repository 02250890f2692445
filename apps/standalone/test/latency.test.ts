/** How soon a shopper gets what a click changes, while the shop goes on. */
import { modelsDirectory } from "@marquetry/runtime/directories";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { newFolder, removeFolders } from "@marquetry/testing/folders";
import type { EventBus } from "@marquetry/backends/event-bus";
import { productCollection } from "@marquetry/backends/product-index";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { Strategy } from "@marquetry/contracts/ranking/recommendation_service_pb";
import type { Bundle } from "@marquetry/model/bundle";
import { defaultBundle } from "@marquetry/model/bundle/zero-shot";
import { readCatalogue, toProductChange } from "../src/catalogue.js";
import type { CatalogueProduct } from "../src/catalogue.js";
import type { PlatformEnvironment, ServiceName } from "../src/platform.js";
import { createRecommendationClient } from "../src/recommendation-client.js";
import {
  dataDirectory,
  deployments,
  endJourney,
  interaction,
  sendChanges,
  sendEvents,
  startJourney,
  until,
} from "./harness.js";
import { openClients, startServiceProcess, writeBundle } from "./service-process.js";
import type { ServiceProcess } from "./service-process.js";

const LOAD_MS_MAX = 300_000;
const PROBE_MS_MAX = 60_000;
/** A probe costs as much as several clicks: more of them would measure themselves. This adds up to
 * so much to every delay. */
const PROBE_EVERY_MS = 100;

interface Shop {
  readonly bus: EventBus;
  readonly index: ProductIndex;
  readonly bundle: Bundle;
  readonly grpcPort: number;
  close(): Promise<void>;
}

const luma = dataDirectory("magento-luma");
const describeWithData = luma === undefined ? describe.skip : describe;

describeWithData.each(deployments())("clicks in a shop of 461 products on %s", (name, servers) => {
  let catalogue: CatalogueProduct[];
  let shop: Shop;

  beforeAll(async () => {
    catalogue = await readCatalogue(luma as string);
    shop = name === "memory" ? await startInProcess(servers) : await startProcesses(servers);
    await sendChanges(
      shop.bus,
      // Pictures take long to encode, and change nothing for a click.
      catalogue.map(({ image: _image, ...product }) =>
        toProductChange({ ...product, image: undefined }, { revision: 1, occurredAtMs: 0 }),
      ),
    );
    const collection = productCollection(shop.bundle.id);
    await until(
      "every product is in the index",
      async () => (await shop.index.count(collection)) === catalogue.length,
      LOAD_MS_MAX,
    );
  }, LOAD_MS_MAX);

  afterAll(async () => {
    await shop?.close();
  });

  test("50 events a second: a click changes its shopper's recommendations within a second (p99)", async () => {
    // A service that has just started compiles its code as it goes: it is called, but not measured.
    const [warmUp, clicks, perSecond, probedEvery] = [250, 1_050, 50, 10];
    const client = createRecommendationClient(shop.grpcPort);
    const delays: number[] = [];
    const started = performance.now();
    await Promise.all(
      Array.from({ length: clicks }, async (_unused, at) => {
        const userId = `hurried-${at}`;
        await new Promise((due) => setTimeout(due, (at * 1_000) / perSecond));
        const clicked = performance.now();
        const product = catalogue[(at * 7) % catalogue.length] as CatalogueProduct;
        await sendEvents(shop.bus, [interaction(userId, product.id)]);
        if (at % probedEvery !== 0) return;
        const personal = async (): Promise<boolean> => {
          const { strategy } = await client.recommend({ userId, limit: 10 });
          return strategy === Strategy.PERSONALISED;
        };
        await until(`${userId} gets personal answers`, personal, PROBE_MS_MAX, PROBE_EVERY_MS);
        if (at >= warmUp) delays.push(performance.now() - clicked);
      }),
    );
    const rate = (clicks * 1_000) / (performance.now() - started);
    client.close();
    expect(delays).toHaveLength((clicks - warmUp) / probedEvery);
    delays.sort((a, b) => a - b);
    const quantile = (share: number): number =>
      delays[Math.ceil(share * delays.length) - 1] ?? Number.NaN;
    console.info(
      `click to changed recommendation at ${rate.toFixed(0)} events/s: ` +
        `p50 ${quantile(0.5).toFixed(0)} ms, p99 ${quantile(0.99).toFixed(0)} ms`,
    );
    expect(quantile(0.99)).toBeLessThan(1_000);
  });
});

async function startInProcess(servers: PlatformEnvironment): Promise<Shop> {
  const platform = await startJourney(servers);
  return { ...platform, close: () => endJourney(platform) };
}

/** The services as they are deployed: here they would share one thread with the test. */
async function startProcesses(servers: PlatformEnvironment): Promise<Shop> {
  const id = `latency-${randomUUID().slice(0, 8)}`;
  const directory = await newFolder();
  const bundle = { ...(await defaultBundle()), id };
  const environment = {
    EVENT_BUS_URL: `${servers["EVENT_BUS_URL"]}?prefix=${id}.`,
    PROFILE_STORE_URL: servers["PROFILE_STORE_URL"] as string,
    VECTOR_INDEX_URL: servers["VECTOR_INDEX_URL"] as string,
    MODELS_DIR: modelsDirectory(process.env),
    BUNDLE_DIR: await writeBundle(join(directory, "bundle"), bundle),
  };
  const processes: ServiceProcess[] = [];
  const start = async (service: ServiceName): Promise<ServiceProcess> => {
    const started = await startServiceProcess(service, environment);
    processes.push(started);
    return started;
  };
  for (const service of ["fusion", "encoder", "user-profile"] as const) await start(service);
  const { grpcPort } = await start("ranking-gateway");
  const { bus, index, profiles } = openClients(environment, bundle);
  return {
    bus,
    index,
    bundle,
    grpcPort,
    async close() {
      for (const service of processes.toReversed()) await service.terminate();
      await profiles.clear();
      await index.dropCollection(productCollection(id));
      await Promise.all([bus.close(), index.close(), profiles.close()]);
      await removeFolders();
    },
  };
}
