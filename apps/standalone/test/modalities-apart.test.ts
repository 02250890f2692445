/** Encoders deployed apart, one per modality, end in the same index as one for all. */
import { basename, dirname } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { EventBus } from "@marquetry/backends/event-bus";
import { withPrefixes } from "@marquetry/backends/event-bus/prefixes";
import { writeImageEncoder, writeTextEncoder } from "@marquetry/testing/tiny-encoders";
import { removeFolders } from "@marquetry/testing/folders";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import { ProductChangeSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductChange } from "@marquetry/contracts/events/product_pb";
import { startEncoder } from "@marquetry/encoder/app";
import { readEncoderConfig } from "@marquetry/encoder/config";
import { startFusion } from "@marquetry/fusion/app";
import { startService } from "@marquetry/runtime/lifecycle";
import type { RunningService } from "@marquetry/runtime/lifecycle";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Platform } from "../src/platform.js";
import { deployments, endJourney, sendChanges, startJourney, until } from "./harness.js";

const PRODUCTS = 60;
const REVISIONS = 4;
const START_MS_MAX = 120_000;
const NOW = Date.UTC(2026, 0, 15);
const WORDS = ["red", "blue", "shoe", "mat", "bag", "warm", "light", "steel"];
/** A GIF of one pixel, whose colour stands at its 14th byte. */
const GIF = "474946383961010001008000000000000000002c00000000010001000002024401003b";

function picture(colour: number): string {
  const bytes = Buffer.from(GIF, "hex");
  bytes[13] = colour;
  return `data:image/gif;base64,${bytes.toString("base64")}`;
}

const productIds = Array.from({ length: PRODUCTS }, (_, product) => `product-${product}`);

/** Titles change with each revision and photos with each second one; some go and come back. */
const changes: ProductChange[] = Array.from({ length: REVISIONS }, (_, step) =>
  productIds.map((productId, product) => {
    const removed = product % 7 === 0 && step === 2;
    const gone = product % 7 === 0 && product % 2 === 0 && step === 3;
    const images = product % 5 === 0 ? [] : [{ url: picture((product + (step >> 1)) % 200) }];
    return create(ProductChangeSchema, {
      productId,
      revision: BigInt(step + 1),
      occurredAt: timestampFromMs(NOW + step),
      change:
        removed || gone
          ? { case: "removed", value: {} }
          : {
              case: "upserted",
              value: { title: `${WORDS[product % 8]} ${WORDS[(product + step) % 8]}`, images },
            },
    });
  }),
).flat();

describe.each(deployments())("modalities apart on %s", (_, servers) => {
  let platform: Platform;
  const services: RunningService[] = [];

  beforeAll(async () => {
    const [text, image] = [await writeTextEncoder(), await writeImageEncoder()];
    platform = await startJourney(servers, {
      MODELS_DIR: dirname(text),
      ENCODER_TEXT: basename(text),
      ENCODER_IMAGE: basename(image),
    });
  }, START_MS_MAX);

  afterAll(async () => {
    for (const service of services.toReversed()) await service.close();
    if (platform !== undefined) {
      await platform.index.dropCollection(productCollection(`${platform.bundle.id}-apart`));
      await endJourney(platform);
    }
    await removeFolders();
  });

  /** A second fusion with a collection of its own, and an encoder for each modality. */
  async function startApart(bus: EventBus): Promise<string> {
    const bundle = { ...platform.bundle, id: `${platform.bundle.id}-apart` };
    const fail = (error: unknown): void => console.error("a service failed:", error);
    const config = (modality: string) =>
      readEncoderConfig({
        EVENT_BUS_URL: "memory:",
        HTTP_PORT: "0",
        GRPC_PORT: "0",
        LOG_LEVEL: "silent",
        ENCODER_MODALITIES: modality,
      });
    const fusion = await startService(
      "fusion",
      config("text"),
      (_config, context) => startFusion(context, { bus, bundle, index: platform.index }),
      fail,
    );
    services.push(fusion);
    for (const modality of ["text", "image"] as const) {
      const encoders = new Map([[modality, platform.encoders.get(modality)!]]);
      const service = await startService(
        "encoder",
        config(modality),
        async (config, context) => void (await startEncoder(config, context, { bus, encoders })),
        fail,
      );
      services.push(service);
    }
    return productCollection(bundle.id);
  }

  /** Vectors to 1e-4, as encoders promise: they may have met others in their batches. */
  async function snapshot(collection: string): Promise<unknown> {
    const names = ["text", "image", FUSED_VECTOR];
    const points = await platform.index.retrieve(collection, productIds, names);
    return productIds.map((id) => {
      const { payload, vectors = {} } = points.get(id) ?? {};
      const { version: _, outcomes = {}, ...attributes } = payload ?? {};
      return {
        attributes,
        outcomes: Object.entries(outcomes).map(([modality, { revision, outcome, digest }]) => {
          return { modality, revision, outcome, digest };
        }),
        vectors: names.map((name) =>
          Array.from(vectors[name] ?? [], (value) => Math.round(value * 1_000)),
        ),
      };
    });
  }

  test("end in the same index as one encoder for all, number for number", async () => {
    const bus = withPrefixes(platform.bus, { topics: "apart.", groups: "apart-" });
    const collection = await startApart(bus);
    await Promise.all([sendChanges(platform.bus, changes), sendChanges(bus, changes)]);
    const complete = async (name: string): Promise<boolean> => {
      const points = await platform.index.retrieve(name, productIds, []);
      const settled = [...points.values()].filter(({ payload }) => {
        const { removed, revision, outcomes = {} } = payload;
        const last = Object.values(outcomes).filter((outcome) => outcome.revision === REVISIONS);
        return revision === REVISIONS && (removed || last.length === 2);
      });
      return settled.length === PRODUCTS;
    };
    const whole = productCollection(platform.bundle.id);
    for (const name of [whole, collection])
      await until(`${name} has the last revision of everything`, () => complete(name));
    const expected = await snapshot(whole);
    expect(JSON.stringify(expected)).toContain('"image"');
    expect(await snapshot(collection)).toEqual(expected);
  });
});
