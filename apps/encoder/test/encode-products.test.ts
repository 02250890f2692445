import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { openEmbeddingCache } from "@marquetry/backends/embedding-cache/open";
import {
  Availability,
  FailureCause,
  ProductChangeSchema,
  ProductEmbeddedSchema,
} from "@marquetry/contracts/events/product_pb";
import type {
  EmbeddedProduct,
  ProductChange,
  ProductEmbedded,
  ProductSchema,
} from "@marquetry/contracts/events/product_pb";
import { findProblem } from "@marquetry/contracts/validation";
import { vectorFromBytes } from "@marquetry/model/vectors/vector";
import { createLogger } from "@marquetry/runtime/logger";
import { createMetrics } from "@marquetry/runtime/telemetry";
import { describe, expect, test } from "@jest/globals";
import { createCachedEncoders } from "../src/cached-encoder.js";
import { createEncodeProducts } from "../src/encode-products.js";
import { createEncoderEvents } from "../src/events.js";
import { createMediaReader } from "../src/media/media-reader.js";
import { openEncoders } from "./open-encoders.js";
import { dataUrl, pixel } from "./pictures.js";

const encoders = openEncoders();

/** The use-case with an empty cache, and what it read and encoded since it was made. */
function setUp() {
  const metrics = createMetrics("encoder");
  const readAddresses: string[] = [];
  const media = createMediaReader({
    fileRoot: undefined,
    httpHosts: [],
    privateHosts: [],
    bytesMax: { image: 10_000, video: 10_000 },
    timeoutMs: 1_000,
    idleMs: 1_000,
    hostReadsMax: 1,
  });
  const events = createEncoderEvents({ logger: createLogger("encoder", "silent"), metrics });
  const cache = openEmbeddingCache("memory:", { megabytes: 1 });
  const encodeProducts = createEncodeProducts({
    encoders: createCachedEncoders(encoders, { cache, events }),
    readMedia(request) {
      readAddresses.push(request.url);
      return media.read(request);
    },
    events,
  });
  const totals = () =>
    (["text", "image"] as const).map((modality) => encoders.get(modality)?.encodedTotal() ?? 0);
  const before = totals();
  const encoded = () => {
    const [text = 0, image = 0] = totals().map((total, i) => total - (before[i] ?? 0));
    return { text, image };
  };
  return { encodeProducts, encoded, readAddresses, metrics };
}

let revisions = 0n;

function upserted(value: MessageInitShape<typeof ProductSchema>, productId = "p"): ProductChange {
  revisions += 1n;
  return create(ProductChangeSchema, {
    productId,
    revision: revisions,
    occurredAt: timestampFromMs(1_700_000_000_000),
    change: { case: "upserted", value },
  });
}

function embeddedOf(event: ProductEmbedded | undefined): EmbeddedProduct {
  if (event?.state.case !== "embedded") throw new Error(`not embedded: ${event?.state.case}`);
  return event.state.value;
}

const modalities = (product: EmbeddedProduct) => product.embeddings.map(({ modality }) => modality);
const RED = { url: dataUrl(pixel(255, 0, 0)) };
const GREEN = { url: dataUrl(pixel(0, 255, 0)) };

describe("one product", () => {
  test("has a vector per modality, with its encoder, and what ranking needs", async () => {
    const { encodeProducts } = setUp();
    const product = {
      title: "red shoe",
      categories: ["Women/Shoes"],
      brand: "b",
      price: 0,
      currency: "EUR",
      availability: Availability.OUT_OF_STOCK,
      availableFrom: timestampFromMs(1),
      groupId: "g",
      images: [RED],
    };
    const change = upserted(product, "p1");
    const [event] = await encodeProducts([change]);
    expect(findProblem(ProductEmbeddedSchema, event!)).toBeUndefined();
    const { productId, revision, occurredAt } = change;
    expect(event).toMatchObject({ productId, revision, occurredAt });
    const { attributes, embeddings, absent, failed } = embeddedOf(event);
    const { images: _, ...expected } = product;
    expect(attributes).toMatchObject(expected);
    expect([absent, failed]).toEqual([[], []]);
    expect(embeddings.map(({ modality, encoder }) => [modality, encoder])).toEqual([
      ["text", "tiny-text"],
      ["image", "tiny-image"],
    ]);
    const image = Array.from(vectorFromBytes(embeddings[1]!.vector), (value) => Math.round(value));
    expect(image).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(vectorFromBytes(embeddings[0]!.vector)).toHaveLength(16);
  });

  test("without text or picture lists each as absent", async () => {
    const { encodeProducts, encoded } = setUp();
    const events = await encodeProducts([
      upserted({}),
      upserted({ title: "mat" }),
      upserted({ images: [RED] }),
    ]);
    const products = events.map(embeddedOf);
    expect(products.map(({ absent }) => absent)).toEqual([["text", "image"], ["image"], ["text"]]);
    expect(products.map(modalities)).toEqual([[], ["text"], ["image"]]);
    expect(products[0]?.attributes).toBeDefined();
    expect(products[0]?.attributes?.price).toBeUndefined();
    expect(encoded()).toEqual({ text: 1, image: 1 });
  });

  test("that is removed stays a removal, and nothing is encoded", async () => {
    const { encodeProducts, encoded } = setUp();
    const change = create(ProductChangeSchema, {
      productId: "p",
      revision: 9n,
      occurredAt: timestampFromMs(1),
      change: { case: "removed", value: {} },
    });
    const [event] = await encodeProducts([change]);
    expect(findProblem(ProductEmbeddedSchema, event!)).toBeUndefined();
    expect(event).toMatchObject({ productId: "p", revision: 9n, state: { case: "removed" } });
    expect(encoded()).toEqual({ text: 0, image: 0 });
  });

  test("has its first picture encoded and no other one read", async () => {
    const { encodeProducts, readAddresses } = setUp();
    await encodeProducts([upserted({ images: [RED, GREEN] })]);
    expect(readAddresses).toEqual([RED.url]);
  });
});

describe("what is not encoded again", () => {
  const product = { title: "red shoe", price: 10, images: [RED] };

  test("unchanged content, and it keeps its vector and digest", async () => {
    const { encodeProducts, encoded } = setUp();
    const [first] = await encodeProducts([upserted(product)]);
    const [second] = await encodeProducts([upserted(product)]);
    expect(encoded()).toEqual({ text: 1, image: 1 });
    expect(embeddedOf(second).embeddings).toEqual(embeddedOf(first).embeddings);
  });

  test("a new price encodes nothing and arrives", async () => {
    const { encodeProducts, encoded } = setUp();
    await encodeProducts([upserted(product)]);
    const [event] = await encodeProducts([upserted({ ...product, price: 8 })]);
    expect(encoded()).toEqual({ text: 1, image: 1 });
    expect(embeddedOf(event).attributes?.price).toBe(8);
  });

  test("a new title encodes the text only", async () => {
    const { encodeProducts, encoded } = setUp();
    const [first] = await encodeProducts([upserted(product)]);
    const [second] = await encodeProducts([upserted({ ...product, title: "blue shoe" })]);
    expect(encoded()).toEqual({ text: 2, image: 1 });
    const [text, image] = embeddedOf(first).embeddings;
    const [newText, newImage] = embeddedOf(second).embeddings;
    expect(newText?.digest).not.toBe(text?.digest);
    expect(newImage).toEqual(image);
  });

  test("another picture encodes the picture only", async () => {
    const { encodeProducts, encoded } = setUp();
    await encodeProducts([upserted(product)]);
    await encodeProducts([upserted({ ...product, images: [GREEN] })]);
    expect(encoded()).toEqual({ text: 1, image: 2 });
  });

  test("one photo and title on 50 variants are encoded once, and hardly ever read", async () => {
    const { encodeProducts, encoded, readAddresses } = setUp();
    const variants = Array.from({ length: 50 }, (_, i) => upserted({ ...product, price: i }));
    const events = await encodeProducts(variants);
    expect(encoded()).toEqual({ text: 1, image: 1 });
    expect(readAddresses.length).toBeLessThanOrEqual(2);
    const prices = events.map((event) => embeddedOf(event).attributes?.price);
    expect(prices).toEqual(Array.from({ length: 50 }, (_, i) => i));
    for (const event of events) expect(modalities(embeddedOf(event))).toEqual(["text", "image"]);
  });

  test("the same picture at two addresses", async () => {
    const { encodeProducts, encoded } = setUp();
    const elsewhere = { url: RED.url.replace("image/gif", "image/x-gif") };
    await encodeProducts([upserted({ images: [RED] }), upserted({ images: [elsewhere] })]);
    expect(encoded().image).toBe(1);
  });
});

describe("failures", () => {
  test("a corrupt picture fails alone: its product's text and its neighbours go on", async () => {
    const { encodeProducts } = setUp();
    const corrupt = { url: dataUrl(pixel(9, 9, 9).subarray(0, 20)) };
    const events = await encodeProducts([
      upserted({ title: "red", images: [RED] }),
      upserted({ title: "blue", images: [corrupt] }),
      upserted({ title: "mat", images: [GREEN] }),
    ]);
    const products = events.map(embeddedOf);
    expect(products.map(modalities)).toEqual([["text", "image"], ["text"], ["text", "image"]]);
    expect(products.map(({ failed }) => failed.length)).toEqual([0, 1, 0]);
    expect(products[1]?.failed[0]).toMatchObject({
      modality: "image",
      cause: FailureCause.UNDECODABLE,
      detail: expect.stringMatching(/./),
    });
    expect(products[1]?.absent).toEqual([]);
  });

  test("a text on which the encoder fails leaves the picture", async () => {
    const { encodeProducts } = setUp();
    const [event] = await encodeProducts([upserted({ title: "poison", images: [RED] })]);
    expect(modalities(embeddedOf(event))).toEqual(["image"]);
    expect(embeddedOf(event).failed).toMatchObject([
      { modality: "text", cause: FailureCause.ENCODER },
    ]);
  });

  test.each([
    ["an address that must not be read", "http://intranet/1.png", FailureCause.REFUSED],
    ["more bytes than allowed", `data:,${"x".repeat(10_001)}`, FailureCause.TOO_LARGE],
    ["no picture", "data:,abc", FailureCause.UNDECODABLE],
  ])("%s is named by its cause", async (_, url, cause) => {
    const { encodeProducts } = setUp();
    const [event] = await encodeProducts([upserted({ title: "mat", images: [{ url }] })]);
    expect(embeddedOf(event).failed).toMatchObject([{ modality: "image", cause }]);
    expect(modalities(embeddedOf(event))).toEqual(["text"]);
  });

  test("a failure is tried again with the next change, since only vectors are cached", async () => {
    const { encodeProducts, readAddresses } = setUp();
    const broken = upserted({ images: [{ url: "data:,abc" }] });
    await encodeProducts([broken]);
    await encodeProducts([broken]);
    expect(readAddresses).toHaveLength(2);
  });

  test("the detail stays short however long the address is", async () => {
    const { encodeProducts } = setUp();
    const url = `http://${"a".repeat(1_000_000)}/1.png`;
    const [event] = await encodeProducts([upserted({ images: [{ url }] })]);
    const [failure] = embeddedOf(event).failed;
    expect(failure?.cause).toBe(FailureCause.REFUSED);
    expect(failure?.detail.length).toBeLessThanOrEqual(500);
  });
});

describe("batches", () => {
  test("events come in the order of their changes, one each, removals among them", async () => {
    const { encodeProducts } = setUp();
    const changes = Array.from({ length: 70 }, (_, i) =>
      i % 7 === 3
        ? create(ProductChangeSchema, {
            productId: `p${i}`,
            revision: BigInt(i + 1),
            occurredAt: timestampFromMs(i),
            change: { case: "removed", value: {} },
          })
        : upserted({ title: `shoe ${i % 5}`, images: i % 2 ? [RED] : [GREEN] }, `p${i}`),
    );
    const events = await encodeProducts(changes);
    expect(events.map(({ productId, revision }) => [productId, revision])).toEqual(
      changes.map(({ productId, revision }) => [productId, revision]),
    );
    const greens = events.map((event) =>
      event.state.case === "embedded"
        ? Math.round(vectorFromBytes(embeddedOf(event).embeddings[1]!.vector)[4]!)
        : "removed",
    );
    expect(greens).toEqual(
      Array.from({ length: 70 }, (_, i) => (i % 7 === 3 ? "removed" : i % 2 ? 0 : 1)),
    );
  });

  test("more changes than may wait for an encoder at once are encoded all the same", async () => {
    const { encodeProducts, encoded } = setUp();
    const changes = Array.from({ length: 1_100 }, (_, i) => upserted({ title: `shoe ${i}` }));
    const events = await encodeProducts(changes);
    expect(events.every((event) => embeddedOf(event).embeddings.length === 1)).toBe(true);
    expect(encoded().text).toBe(1_100);
  });

  test("an empty batch is answered with nothing", async () => {
    const { encodeProducts } = setUp();
    expect(await encodeProducts([])).toEqual([]);
  });

  test("the operator sees how each modality ended and what was handed to an encoder", async () => {
    const { encodeProducts, metrics } = setUp();
    await encodeProducts([
      upserted({ title: "mat", images: [RED] }),
      upserted({ title: "mat", images: [{ url: "data:,GIF89a" }] }),
      upserted({}),
    ]);
    const { body } = await metrics.expose();
    expect(body.split("\n")).toEqual(
      expect.arrayContaining([
        'marquetry_encoder_modalities_total{modality="text",outcome="encoded"} 2',
        'marquetry_encoder_modalities_total{modality="text",outcome="absent"} 1',
        'marquetry_encoder_modalities_total{modality="image",outcome="encoded"} 1',
        'marquetry_encoder_modalities_total{modality="image",outcome="undecodable"} 1',
        'marquetry_encoder_modalities_total{modality="image",outcome="absent"} 1',
        'marquetry_encoder_contents_encoded_total{modality="text"} 1',
        'marquetry_encoder_contents_encoded_total{modality="image"} 2',
      ]),
    );
  });
});
