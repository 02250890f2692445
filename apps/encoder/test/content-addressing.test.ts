/** What is encoded once: over batches, calls, replicas and restarts; and what is not even read. */
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { EmbeddingCache } from "@marquetry/backends/embedding-cache";
import { openEmbeddingCache } from "@marquetry/backends/embedding-cache/open";
import type { Encoder } from "@marquetry/inference/encoder";
import { FailureCause, ProductChangeSchema } from "@marquetry/contracts/events/product_pb";
import type {
  EmbeddedProduct,
  ProductEmbedded,
  ProductSchema,
} from "@marquetry/contracts/events/product_pb";
import { createLogger } from "@marquetry/runtime/logger";
import { createMetrics } from "@marquetry/runtime/telemetry";
import { describe, expect, test } from "@jest/globals";
import { digestOf } from "../src/content.js";
import { createCachedEncoders } from "../src/cached-encoder.js";
import { createEncodeProducts } from "../src/encode-products.js";
import type { EncodeProductsDeps } from "../src/encode-products.js";
import type { ContentModality } from "@marquetry/contracts/modalities";
import { createEncoderEvents } from "../src/events.js";
import { createMediaReader } from "../src/media/media-reader.js";
import { openEncoders } from "./open-encoders.js";
import { dataUrl, pixel } from "./pictures.js";

const RED = pixel(255, 0, 0);
const GREEN = pixel(0, 255, 0);
const encoders = openEncoders();

const media = createMediaReader({
  fileRoot: undefined,
  httpHosts: [],
  privateHosts: [],
  bytesMax: { image: 10_000, video: 10_000 },
  timeoutMs: 1_000,
  idleMs: 1_000,
  hostReadsMax: 4,
});

/** One replica: its reads, and what it handed to an encoder. */
function replica(
  cache: EmbeddingCache,
  {
    encoders: chosen,
    ...deps
  }: Partial<Omit<EncodeProductsDeps, "encoders">> & {
    readonly encoders?: ReadonlyMap<ContentModality, Encoder>;
  } = {},
) {
  const read: string[] = [];
  const encoded = { text: 0, image: 0, video: 0 };
  const counting = Array.from(encoders, ([modality, encoder]): [ContentModality, Encoder] => [
    modality,
    {
      ...encoder,
      encode(contents, options) {
        encoded[modality] += contents.length;
        return encoder.encode(contents, options);
      },
    },
  ]);
  const events = createEncoderEvents({
    logger: createLogger("encoder", "silent"),
    metrics: createMetrics("encoder"),
  });
  const encodeProducts = createEncodeProducts({
    encoders: createCachedEncoders(chosen ?? new Map(counting), { cache, events }),
    readMedia(request) {
      read.push(request.url);
      return media.read(request);
    },
    events,
    ...deps,
  });
  return { encodeProducts, read, encoded };
}

let revision = 0;
function upserted(value: MessageInitShape<typeof ProductSchema>) {
  revision += 1;
  return create(ProductChangeSchema, {
    productId: `p${revision}`,
    revision: BigInt(revision),
    occurredAt: timestampFromMs(1),
    change: { case: "upserted", value },
  });
}

function embeddedOf(event: ProductEmbedded | undefined): EmbeddedProduct {
  if (event?.state.case !== "embedded") throw new Error(`not embedded: ${event?.state.case}`);
  return event.state.value;
}

const imageOf = (event: ProductEmbedded | undefined) =>
  embeddedOf(event).embeddings.find(({ modality }) => modality === "image");
const newCache = () => openEmbeddingCache("memory:", { megabytes: 1 });

describe("one photo", () => {
  test("on fifty variants is encoded once, over batches, calls at once and replicas", async () => {
    const cache = newCache();
    const replicas = [replica(cache), replica(cache)];
    const variants = (from: number) =>
      Array.from({ length: 10 }, (_, i) =>
        upserted({ title: `shoe ${from + i}`, images: [{ url: dataUrl(RED) }] }),
      );
    const [first, second] = replicas;
    // At once in one process: what is being encoded is waited for.
    await Promise.all([0, 10, 20].map((from) => first!.encodeProducts(variants(from))));
    await second!.encodeProducts(variants(30));
    await second!.encodeProducts(variants(40));
    expect([first!.encoded.image, second!.encoded.image]).toEqual([1, 0]);
    expect([first!.encoded.text, second!.encoded.text]).toEqual([30, 20]);
  });

  test("whose digest the producer gives is not read again, at whatever address", async () => {
    const cache = newCache();
    const { encodeProducts, read, encoded } = replica(cache);
    const digest = digestOf(RED);
    const [first] = await encodeProducts([upserted({ images: [{ url: dataUrl(RED), digest }] })]);
    const elsewhere = ["https://gone.example/1.gif", "https://gone.example/2.gif"];
    const later = await encodeProducts(
      elsewhere.map((url) =>
        upserted({ images: [{ url, digest: digest.toUpperCase().replace("SHA", "sha") }] }),
      ),
    );
    expect(read).toEqual([dataUrl(RED)]);
    expect(encoded.image).toBe(1);
    for (const event of later) expect(imageOf(event)).toEqual(imageOf(first));
  });

  test("has one digest, whether its producer gave it or it was read", async () => {
    const cache = newCache();
    const { encodeProducts, encoded } = replica(cache);
    const url = dataUrl(RED);
    const [claimed] = await encodeProducts([
      upserted({ images: [{ url, digest: digestOf(RED) }] }),
    ]);
    const [found] = await encodeProducts([upserted({ images: [{ url }] })]);
    expect(imageOf(found)).toEqual(imageOf(claimed));
    expect(encoded.image).toBe(1);
  });

  test("under another one's digest neither gets its vector nor gives it away", async () => {
    const cache = newCache();
    const { encodeProducts, encoded } = replica(cache);
    const wrong = { url: dataUrl(GREEN), digest: digestOf(RED) };
    const [liar] = await encodeProducts([upserted({ images: [wrong] })]);
    const [honest] = await encodeProducts([
      upserted({ images: [{ url: dataUrl(RED), digest: digestOf(RED) }] }),
    ]);
    const [green] = await encodeProducts([upserted({ images: [{ url: dataUrl(GREEN) }] })]);
    expect(imageOf(liar)).toEqual(imageOf(green));
    expect(imageOf(honest)?.vector).not.toEqual(imageOf(liar)?.vector);
    expect(encoded.image).toBe(2);
  });

  test("with a digest of another kind is not read again at its address, and is elsewhere", async () => {
    const cache = newCache();
    const { encodeProducts, read, encoded } = replica(cache);
    const at = (url: string) => upserted({ images: [{ url, digest: "md5:0cc175b9c0f1b6a8" }] });
    const [first] = await encodeProducts([at(dataUrl(RED))]);
    const [second] = await encodeProducts([at(dataUrl(RED))]);
    expect(read).toHaveLength(1);
    expect(imageOf(second)).toEqual(imageOf(first));
    const [other] = await encodeProducts([at(dataUrl(GREEN))]);
    expect(read).toHaveLength(2);
    expect(imageOf(other)?.vector).not.toEqual(imageOf(first)?.vector);
    expect(encoded.image).toBe(2);
  });
});

describe("the cache", () => {
  test("that is unavailable stops nothing: everything is encoded", async () => {
    const unavailable = openEmbeddingCache("redis://127.0.0.1:1", { megabytes: 1 });
    const { encodeProducts, encoded } = replica(unavailable);
    const products = [1, 2].map((i) =>
      upserted({ title: `mat ${i}`, images: [{ url: dataUrl(RED) }] }),
    );
    for (const event of await encodeProducts(products))
      expect(embeddedOf(event).embeddings).toHaveLength(2);
    expect(encoded).toEqual({ text: 2, image: 1, video: 0 });
    await unavailable.close();
  });

  test("that holds a vector of another length is as good as empty", async () => {
    const cache = newCache();
    const { encodeProducts, encoded } = replica({
      ...cache,
      get: async (keys) => keys.map(() => Float32Array.of(1, 2, 3)),
    });
    const [event] = await encodeProducts([upserted({ title: "mat" })]);
    expect(embeddedOf(event).embeddings[0]?.vector).toHaveLength(64);
    expect(encoded.text).toBe(1);
  });

  test("never mixes two encoders, nor one whose manifest was changed under its id", async () => {
    const cache = newCache();
    await replica(cache).encodeProducts([upserted({ images: [{ url: dataUrl(RED) }] })]);
    const image = encoders.get("image")!;
    const changed = { ...image, manifest: { ...image.manifest, resizeTo: 9 } } as Encoder;
    const { encodeProducts } = replica(cache, { encoders: new Map([["image", changed]]) });
    const before = image.encodedTotal();
    await encodeProducts([upserted({ images: [{ url: dataUrl(RED) }] })]);
    expect(image.encodedTotal()).toBe(before + 1);
  });
});

describe("an encoder", () => {
  test("that is stuck fails its modality for now, and no other, within the time allowed", async () => {
    const stuck: Encoder = {
      ...encoders.get("image")!,
      encode: () => new Promise(() => undefined),
    };
    const { encodeProducts } = replica(newCache(), {
      encoders: new Map([...encoders, ["image", stuck]]),
      encodeTimeoutMs: 100,
    });
    const events = await encodeProducts(
      [RED, GREEN].map((picture) =>
        upserted({ title: "mat", images: [{ url: dataUrl(picture) }] }),
      ),
    );
    for (const event of events) {
      expect(embeddedOf(event).failed).toMatchObject([{ cause: FailureCause.TIMEOUT }]);
      expect(embeddedOf(event).embeddings).toHaveLength(1);
    }
  });

  test("never gets more at once than the groups allow, however many calls there are", async () => {
    const image = encoders.get("image")!;
    let now = 0;
    let most = 0;
    const waiting: number[] = [];
    const watched: Encoder = {
      ...image,
      async encode(contents, options) {
        now += contents.length;
        most = Math.max(most, now);
        const results = await image.encode(contents, options);
        now -= contents.length;
        return results;
      },
    };
    const { encodeProducts } = replica(newCache(), {
      encoders: new Map([["image", watched]]),
      groupMax: { image: 4 },
      onWaiting: (_, groups) => waiting.push(groups),
    });
    const pictures = Array.from({ length: 90 }, (_, i) => ({ url: dataUrl(pixel(i, 1, 2)) }));
    const calls = [0, 30, 60].map((from) =>
      encodeProducts(
        pictures.slice(from, from + 30).map((picture) => upserted({ images: [picture] })),
      ),
    );
    const events = (await Promise.all(calls)).flat();
    expect(events.every((event) => imageOf(event) !== undefined)).toBe(true);
    expect(most).toBeLessThanOrEqual(12);
    expect(Math.max(...waiting)).toBe(21);
    expect(waiting.at(-1)).toBe(0);
  });
});
