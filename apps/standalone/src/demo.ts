/** `npm run demo`: a catalogue in, shoppers' behaviour in, recommendations out, in one process. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { toBinary } from "@bufbuild/protobuf";
import { Action } from "@marquetry/contracts/events/clickstream_pb";
import { CLICKSTREAM, PRODUCT_CHANGES } from "@marquetry/contracts/topics";
import { productCollection } from "@marquetry/backends/product-index";
import { fetchEncoders } from "@marquetry/infra/models";
import { modelsDirectory } from "@marquetry/runtime/directories";
import { describeError } from "@marquetry/runtime/errors";
import { readCatalogue, toProductChange } from "./catalogue.js";
import type { CatalogueProduct } from "./catalogue.js";
import type { DemoDocument, ShownShopper } from "./demo-document.js";
import { startPlatform } from "./platform.js";
import type { Platform } from "./platform.js";
import { createRecommendationClient } from "./recommendation-client.js";
import { fetchSampleCatalogue, sampleCatalogueDirectory } from "./sample-catalogue.js";
import { simulateShoppers, toClickstream } from "./shoppers.js";
import type { Shopper } from "./shoppers.js";

const HELP = `npm run demo [-- OPTIONS]

Starts the whole platform in one process, loads a catalogue of photographed products, replays
simulated shoppers and prints what three of them get. Then it serves gRPC until Ctrl-C.

  --once         end after printing
  --json         print one JSON document and nothing else on stdout (with --once)
  --catalog DIR  a folder with products.csv (id, title, description, categories, brand, price, image,
                 parent) and pictures, instead of the sample catalogue
  --port N       gRPC port, 50051 unless told
  --help         this text
`;

const SHOPPERS = 60;
const SHOPPERS_SHOWN = 3;
const RECOMMENDATIONS = 5;
const SETTLED_MS_MAX = 600_000;
const ARRIVAL_DAYS = 60;
const DAY_MS = 86_400_000;

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      once: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      catalog: { type: "string" },
      port: { type: "string", default: "50051" },
      help: { type: "boolean", default: false },
    },
  });
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const report = (line: string): void => void process.stderr.write(`${line}\n`);
  const stopwatch = startStopwatch();

  const models = modelsDirectory(process.env);
  await fetchEncoders({ directory: models, report });
  stopwatch.lap("encoders");
  const directory =
    options.catalog === undefined
      ? sampleCatalogueDirectory(process.env)
      : resolve(process.env["INIT_CWD"] ?? ".", options.catalog);
  if (options.catalog === undefined) await fetchSampleCatalogue(directory, report);
  const catalogue = await readCatalogue(directory);
  stopwatch.lap("catalogue");

  const failed = Promise.withResolvers<never>();
  const environment = {
    LOG_LEVEL: options.json ? "silent" : "error",
    MODELS_DIR: models,
    MEDIA_FILE_ROOT: directory,
    GRPC_PORT: options.port,
  };
  const platform = await startPlatform({ environment, fail: failed.reject });
  try {
    stopwatch.lap("start");
    const document = await Promise.race([
      play(platform, catalogue, directory, stopwatch, report),
      failed.promise,
    ]);
    process.stdout.write(options.json ? `${JSON.stringify(document)}\n` : describe(document));
    if (options.once) return;
    report(`\nserving gRPC on 127.0.0.1:${platform.grpcPort}; Ctrl-C ends`);
    await Promise.race([untilSignal(), failed.promise]);
  } finally {
    await platform.close();
  }
}

async function play(
  platform: Platform,
  catalogue: readonly CatalogueProduct[],
  directory: string,
  stopwatch: Stopwatch,
  report: (line: string) => void,
): Promise<DemoDocument> {
  const { bus, index, profiles, bundle } = platform;
  const now = Date.now();
  const changes = catalogue.map((product, at) =>
    toProductChange(product, {
      revision: 1,
      occurredAtMs: now,
      // As if the shop had grown day by day, so that freshness tells products apart.
      availableFromMs: now - (at % ARRIVAL_DAYS) * DAY_MS,
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
  stopwatch.lap("index");

  const shoppers = simulateShoppers(catalogue, SHOPPERS, now);
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
      (profile, at) => profile?.history.length === shoppers[at]?.behaviours.length,
    );
  });
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
    bundle: bundle.id,
    shoppers: shown,
    timings: stopwatch.laps(),
  };
}

async function recommendFor(
  shoppers: readonly Shopper[],
  grpcPort: number,
): Promise<ShownShopper[]> {
  const client = createRecommendationClient(grpcPort);
  try {
    return await Promise.all(
      shoppers.map(async ({ id, behaviours }) => {
        const { items } = await client.recommend({
          userId: id,
          limit: RECOMMENDATIONS,
          excludeSeen: true,
        });
        return {
          id,
          history: behaviours.map(({ product, action }) => ({
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

function describe({ catalogue, encoders, bundle, shoppers, timings }: DemoDocument): string {
  const lines = [
    "",
    `${catalogue.products} products, ${Object.values(encoders)
      .map(({ id, dims }) => `${id} (${dims}-d)`)
      .join(" + ")}, bundle ${bundle}`,
  ];
  for (const { id, history, recommendations } of shoppers) {
    lines.push("", `${id} did:`);
    for (const { action, title } of history) lines.push(`  ${action.padEnd(12)} ${title}`);
    lines.push(
      `${id} gets:${" ".repeat(40 - id.length)} score = similarity + popularity + freshness`,
    );
    for (const { title, score, parts } of recommendations) {
      const numbers = [score, parts.similarity, parts.popularity, parts.freshness].map((part) =>
        part.toFixed(3),
      );
      lines.push(
        `  ${title.slice(0, 44).padEnd(44)} ${numbers[0]} = ${numbers.slice(1).join(" + ")}`,
      );
    }
  }
  const spent = Object.entries(timings).map(([name, ms]) => `${name} ${(ms / 1000).toFixed(1)} s`);
  return `${lines.join("\n")}\n\n${spent.join(", ")}\n`;
}

/** Asks again until the condition holds; the platform shows no event when everything is settled. */
async function untilTrue(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + SETTLED_MS_MAX;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${SETTLED_MS_MAX / 1000} s until ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

interface Stopwatch {
  lap(name: string): void;
  laps(): Record<string, number>;
}

function startStopwatch(): Stopwatch {
  const laps: Record<string, number> = {};
  let last = performance.now();
  return {
    lap(name) {
      laps[name] = Math.round(performance.now() - last);
      last = performance.now();
    },
    laps: () => laps,
  };
}

function untilSignal(): Promise<void> {
  return new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => done());
  });
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    process.stderr.write(`demo: ${describeError(error)}\n`);
    process.exit(1);
  },
);
