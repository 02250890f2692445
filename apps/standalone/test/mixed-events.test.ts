/** A catalogue as it comes: 10,000 events in disorder, a twentieth with media that are broken. */
import { writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DEAD_LETTER_HEADERS } from "@marquetry/backends/event-bus";
import { mulberry32 } from "@marquetry/model/vectors/random";
import { squarePng } from "@marquetry/testing/png";
import { shuffled } from "@marquetry/testing/shuffled";
import { writeImageEncoder, writeTextEncoder } from "@marquetry/testing/tiny-encoders";
import { newFolder, removeFolders } from "@marquetry/testing/folders";
import { productCollection } from "@marquetry/backends/product-index";
import { ProductChangeSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductChange } from "@marquetry/contracts/events/product_pb";
import { PRODUCT_CHANGES } from "@marquetry/contracts/topics";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Platform } from "../src/platform.js";
import {
  deadLetters,
  deployments,
  endJourney,
  metric,
  sendChanges,
  startJourney,
  until,
  untilSettled,
} from "./harness.js";

const EVENTS = 10_000;
const PRODUCTS = 3_500;
const DUPLICATES = 500;
const BYTES_MAX = 4_096;
const MS_MAX = 170_000;
const START_MS_MAX = 120_000;
const NOW = Date.UTC(2026, 0, 15);

type Defect = "truncated" | "no picture" | "refused" | "too large" | "late";
const DEFECTS: readonly Defect[] = ["truncated", "no picture", "refused", "too large", "late"];
const CAUSES: Record<Exclude<Defect, "late">, string> = {
  truncated: "undecodable",
  "no picture": "undecodable",
  refused: "refused",
  "too large": "too_large",
};

interface EventSpec {
  readonly productId: string;
  readonly revision: number;
  readonly kind: "whole" | "text only" | "picture only" | "removed";
  readonly defect?: Defect;
}

/** Every twentieth event has broken media; removals and products without text or picture between. */
function specAt(at: number): EventSpec {
  const productId = `product-${at % PRODUCTS}`;
  const revision = 1 + Math.floor(at / PRODUCTS);
  if (at % 20 === 7)
    return {
      productId,
      revision,
      kind: "whole",
      defect: DEFECTS[Math.floor(at / 20) % DEFECTS.length]!,
    };
  if (at % 11 === 3) return { productId, revision, kind: "removed" };
  if (at % 13 === 5) return { productId, revision, kind: "text only" };
  return { productId, revision, kind: at % 17 === 2 ? "picture only" : "whole" };
}

/** A picture of one of 65,536 colours. */
const png = (colour: number): Buffer => squarePng(8, [colour & 0xff, (colour >> 8) & 0xff, 1]);

function dataUrl(bytes: Buffer): string {
  return `data:image/png;base64,${bytes.toString("base64")}`;
}

/** Variants share photos: there are about 500 of them. */
function pictureOf({ productId, revision, defect }: EventSpec, folder: string): string {
  const picture = png((Number(productId.slice(8)) % 500) + 1);
  const pictures: Record<Defect, string> = {
    truncated: dataUrl(picture.subarray(0, picture.length - 30)),
    "no picture": "data:,abc",
    refused: "https://elsewhere.example/1.png",
    "too large": dataUrl(Buffer.concat([picture, Buffer.alloc(BYTES_MAX)])),
    late: pathToFileURL(join(folder, `${productId}-${revision}.png`)).href,
  };
  return defect === undefined ? dataUrl(picture) : pictures[defect];
}

const COLOURS = ["red", "blue", "warm", "light", "steel"];

function toChange(spec: EventSpec, folder: string): ProductChange {
  const { productId, revision, kind } = spec;
  const colour = COLOURS[Number(productId.slice(8)) % COLOURS.length]!;
  const title = kind === "picture only" ? "" : `${colour} shoe ${revision}`;
  const images = kind === "text only" ? [] : [{ url: pictureOf(spec, folder) }];
  return create(ProductChangeSchema, {
    productId,
    revision: BigInt(revision),
    occurredAt: timestampFromMs(NOW + revision),
    change:
      kind === "removed"
        ? { case: "removed", value: {} }
        : { case: "upserted", value: { title, images, price: revision } },
  });
}

const history = Array.from({ length: EVENTS - DUPLICATES }, (_, at) => specAt(at));
const events = shuffled(
  [...history, ...history.filter((e) => !e.defect).slice(0, DUPLICATES)],
  mulberry32(4),
);
const broken = history.filter(({ defect }) => defect !== undefined);
const late = broken.filter(({ defect }) => defect === "late");

/** What the index must hold in the end: of each product its last revision. */
function expectedState(): Map<string, string> {
  const last = new Map<string, EventSpec>();
  for (const spec of history) {
    const rival = last.get(spec.productId);
    if (rival === undefined || rival.revision < spec.revision) last.set(spec.productId, spec);
  }
  return new Map(
    Array.from(last, ([productId, { revision, kind, defect }]) => {
      const text = kind === "whole" || kind === "text only";
      const image = kind !== "text only" && (defect === undefined || defect === "late");
      const modalities = [...(image ? ["image"] : []), ...(text ? ["text"] : [])];
      const state = kind === "removed" ? "removed" : modalities.join("+");
      return [productId, `${revision} ${state}`];
    }),
  );
}

describe.each(deployments())("10,000 mixed events on %s", (_, servers) => {
  let platform: Platform;
  let folder: string;

  beforeAll(async () => {
    folder = await newFolder();
    const [text, image] = [await writeTextEncoder(), await writeImageEncoder()];
    platform = await startJourney(servers, {
      MODELS_DIR: dirname(text),
      ENCODER_TEXT: basename(text),
      ENCODER_IMAGE: basename(image),
      MEDIA_FILE_ROOT: folder,
      MEDIA_BYTES_MAX: String(BYTES_MAX),
      ENCODER_RETRY_DELAYS: "1s,3s,6s,12s,24s,48s",
    });
  }, START_MS_MAX);

  afterAll(async () => {
    if (platform !== undefined) await endJourney(platform);
    await removeFolders();
  });

  const encoderMetric = (name: string, labels = "") =>
    metric(platform, "encoder", `marquetry_encoder_${name}`, labels);

  test(
    "every product ends in the right state, count for count",
    async () => {
      expect(events).toHaveLength(EVENTS);
      expect(broken).toHaveLength(475);
      for (let from = 0; from < EVENTS; from += 500) {
        const part = events.slice(from, from + 500);
        await sendChanges(
          platform.bus,
          part.map((spec) => toChange(spec, folder)),
        );
      }
      await untilSettled(platform);
      for (const { productId, revision } of late)
        await writeFile(join(folder, `${productId}-${revision}.png`), png(9));
      await until("the late pictures are there", async () => {
        return (await encoderMetric("products_healed_total")) === late.length;
      });
      await untilSettled(platform);

      const collection = productCollection(platform.bundle.id);
      const expected = expectedState();
      const points = await platform.index.retrieve(collection, [...expected.keys()], []);
      const actual = Array.from(points, ([productId, { payload }]) => {
        const state = payload.removed ? "removed" : payload.modalities.join("+");
        return [productId, `${payload.revision} ${state}`] as const;
      });
      expect(Object.fromEntries(actual)).toEqual(Object.fromEntries(expected));
      const live = [...expected.values()].filter((state) => !state.endsWith("removed"));
      expect(await platform.index.count(collection)).toBe(live.length);
    },
    MS_MAX,
  );

  test("each broken medium is one dead letter with its cause, and nothing else is one", async () => {
    const forGood = broken.filter(({ defect }) => defect !== "late");
    const letters = await deadLetters(platform.bus, PRODUCT_CHANGES.name, forGood.length);
    const found = letters.map(({ value, headers }) => {
      const { productId, revision } = fromBinary(ProductChangeSchema, value);
      const [modality, cause] = headers[DEAD_LETTER_HEADERS.cause]?.split(": ") ?? [];
      return `${productId} ${revision} ${modality} ${cause}`;
    });
    const expected = forGood.map(
      ({ productId, revision, defect }) =>
        `${productId} ${revision} image ${CAUSES[defect as keyof typeof CAUSES]}`,
    );
    expect(found.toSorted()).toEqual(expected.toSorted());
    expect(await encoderMetric("dead_letters_total")).toBe(forGood.length);
  });

  test("each content was encoded once, whatever the number of events", async () => {
    const upserts = history.filter(({ kind }) => kind !== "removed");
    const titles = new Set(
      upserts
        .filter(({ kind }) => kind !== "picture only")
        .map(({ productId, revision }) => `${Number(productId.slice(8)) % 5} ${revision}`),
    );
    expect(await encoderMetric("contents_encoded_total", 'modality="text"')).toBe(titles.size);
    // The photos, the one that came late, and those whose damage only decoding finds.
    const photos = new Set(
      upserts
        .filter(({ kind, defect }) => kind !== "text only" && defect === undefined)
        .map(({ productId }) => Number(productId.slice(8)) % 500),
    );
    const images = await encoderMetric("contents_encoded_total", 'modality="image"');
    const truncated = broken.filter(({ defect }) => defect === "truncated").length;
    expect(images).toBeGreaterThanOrEqual(photos.size + 1);
    expect(images).toBeLessThanOrEqual(photos.size + 1 + truncated);
  });
});
