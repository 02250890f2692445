/** The demo's steps on a running platform: a catalogue, shoppers' interactions, recommendations. */
import { toBinary } from "@bufbuild/protobuf";
import { productCollection } from "@marquetry/backends/product-index";
import { Action } from "@marquetry/contracts/events/clickstream_pb";
import { CLICKSTREAM, PRODUCT_CHANGES } from "@marquetry/contracts/topics";
import { MarquetryError } from "@marquetry/runtime/errors";
import { toProductChange } from "./catalogue.js";
import type { CatalogueProduct } from "./catalogue.js";
import type { DemoDocument, ShownShopper } from "./demo-document.js";
import type { Platform } from "./platform.js";
import { createRecommendationClient } from "./recommendation-client.js";
import { simulateShoppers, toClickstream } from "./shoppers.js";
import type { Shopper } from "./shoppers.js";
import type { Stopwatch } from "./stopwatch.js";

const SHOPPERS = 60;
const SHOPPERS_SHOWN = 3;
const RECOMMENDATIONS = 5;
const SETTLED_MS_MAX = 600_000;
const ARRIVAL_DAYS = 60;
const DAY_MS = 86_400_000;

export interface Demo {
  readonly platform: Platform;
  readonly catalogue: readonly CatalogueProduct[];
  /** Where the catalogue is from. */
  readonly directory: string;
  readonly stopwatch: Stopwatch;
  readonly report: (line: string) => void;
}

export async function playDemo(demo: Demo): Promise<DemoDocument> {
  const { platform, catalogue, directory, stopwatch } = demo;
  const nowMs = Date.now();
  await loadCatalogue(demo, nowMs);
  stopwatch.lap("index");
  const shoppers = simulateShoppers(catalogue, SHOPPERS, nowMs);
  await replayShoppers(demo, shoppers);
  stopwatch.lap("profiles");
  const shown = await recommendFor(shoppers.slice(0, SHOPPERS_SHOWN), platform.grpcPort);
  stopwatch.lap("recommendations");
  return {
    catalogue: { source: directory, products: catalogue.length },
    encoders: Object.fromEntries(
      [...platform.encoders].map(([modality, { manifest }]) => [
        modality,
        { id: manifest.id, dims: manifest.dims },
      ]),
    ),
    bundle: platform.bundle.id,
    shoppers: shown,
    timings: stopwatch.laps(),
  };
}

/** Resolves when every product is in the index. */
async function loadCatalogue({ platform, catalogue, report }: Demo, nowMs: number): Promise<void> {
  const { bus, index, bundle } = platform;
  const changes = catalogue.map((product, at) =>
    toProductChange(product, {
      revision: 1,
      occurredAtMs: nowMs,
      // As if the shop had grown day by day, so that freshness tells products apart.
      availableFromMs: nowMs - (at % ARRIVAL_DAYS) * DAY_MS,
    }),
  );
  await bus.publish(
    PRODUCT_CHANGES.name,
    changes.map((change) => ({
      key: change.productId,
      value: toBinary(PRODUCT_CHANGES.schema, change),
    })),
  );
  let reported = 0;
  await untilTrue("every product is in the index", async () => {
    const indexed = await index.count(productCollection(bundle.id));
    if (indexed >= reported + 50 || indexed === catalogue.length) {
      if (indexed !== reported)
        report(`encoded and indexed ${indexed} of ${catalogue.length} products`);
      reported = indexed;
    }
    return indexed === catalogue.length;
  });
}

/** Resolves when every shopper has a profile. */
async function replayShoppers(
  { platform, report }: Demo,
  shoppers: readonly Shopper[],
): Promise<void> {
  const { bus, profiles } = platform;
  const events = shoppers.flatMap(toClickstream);
  await bus.publish(
    CLICKSTREAM.name,
    events.map((event) => ({ key: event.userId, value: toBinary(CLICKSTREAM.schema, event) })),
  );
  report(`replayed ${events.length} events of ${shoppers.length} shoppers`);
  const ids = shoppers.map(({ id }) => id);
  await untilTrue("every shopper has a profile", async () => {
    const stored = await profiles.read(ids);
    return stored.every(
      (profile, at) => profile?.history.length === shoppers[at]?.interactions.length,
    );
  });
}

async function recommendFor(
  shoppers: readonly Shopper[],
  grpcPort: number,
): Promise<ShownShopper[]> {
  const client = createRecommendationClient(grpcPort);
  try {
    return await Promise.all(
      shoppers.map(async ({ id, interactions }) => {
        const { items } = await client.recommend({
          userId: id,
          limit: RECOMMENDATIONS,
          excludeSeen: true,
        });
        return {
          id,
          history: interactions.map(({ product, action }) => ({
            product_id: product.id,
            title: product.title,
            action: Action[action].toLowerCase(),
          })),
          recommendations: items.map(({ productId, title, score, parts }) => ({
            product_id: productId,
            title,
            score,
            parts: {
              similarity: parts?.similarity ?? 0,
              popularity: parts?.popularity ?? 0,
              freshness: parts?.freshness ?? 0,
            },
          })),
        };
      }),
    );
  } finally {
    client.close();
  }
}

/** Asks again until the condition holds; the platform shows no event when everything is settled. */
async function untilTrue(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + SETTLED_MS_MAX;
  while (!(await holds())) {
    if (Date.now() > deadline) {
      const seconds = SETTLED_MS_MAX / 1000;
      throw new MarquetryError("deadline", `waited ${seconds} s until ${what}`);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}
