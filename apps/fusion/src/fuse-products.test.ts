import { randomUUID } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import type { Point, ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { Availability, ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type {
  EmbeddedProductSchema,
  ProductEmbedded,
} from "@marquetry/contracts/events/product_pb";
import { fuse } from "@marquetry/model/fusion";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { createLogger } from "@marquetry/runtime/logger";
import { createMetrics } from "@marquetry/runtime/telemetry";
import { createFusionEvents } from "./events.js";
import { createFuseProducts } from "./fuse-products.js";
import type { FuseProducts } from "./fuse-products.js";
import { collectionOf } from "./product-point.js";

const NOW = Date.UTC(2026, 2, 1);
const bundle = await zeroShotBundle(
  { text: { encoder: "words", dims: 4 }, image: { encoder: "pixels", dims: 6 } },
  { dims: 4 },
);
const collection = productCollection(bundle.id);

interface Harness {
  readonly index: ProductIndex;
  readonly fuseProducts: FuseProducts;
  readonly counted: (outcome: string) => Promise<number>;
}

async function createHarness(index = openProductIndex("memory:")): Promise<Harness> {
  await index.ensureCollection(collectionOf(bundle));
  const metrics = createMetrics("fusion");
  const events = createFusionEvents({ logger: createLogger("fusion", "silent"), metrics });
  return {
    index,
    fuseProducts: createFuseProducts({ bundle, index, events }),
    async counted(outcome) {
      const { body } = await metrics.expose();
      const line = `marquetry_fusion_products_total{outcome="${outcome}"} `;
      return Number(
        body
          .split("\n")
          .find((each) => each.startsWith(line))
          ?.slice(line.length) ?? 0,
      );
    },
  };
}

const textVector = new Float32Array([1, 2, -3, 0.5]);
const imageVector = new Float32Array([0.25, 0, 1, -1, 2, 0]);
const text = { modality: "text", encoder: "words", digest: "t", vector: vectorToBytes(textVector) };
const image = {
  modality: "image",
  encoder: "pixels",
  digest: "i",
  vector: vectorToBytes(imageVector),
};

function embedded(
  productId: string,
  revision: number,
  product: MessageInitShape<typeof EmbeddedProductSchema> = {},
): ProductEmbedded {
  const { attributes, embeddings } = product;
  return create(ProductEmbeddedSchema, {
    productId,
    revision: BigInt(revision),
    occurredAt: timestampFromMs(NOW + revision),
    state: {
      case: "embedded",
      value: { attributes: attributes ?? {}, embeddings: embeddings ?? [text, image] },
    },
  });
}

function removed(productId: string, revision: number): ProductEmbedded {
  return create(ProductEmbeddedSchema, {
    productId,
    revision: BigInt(revision),
    occurredAt: timestampFromMs(NOW + revision),
    state: { case: "removed", value: {} },
  });
}

async function stored(index: ProductIndex, productId: string): Promise<Point | undefined> {
  const points = await index.retrieve(collection, [productId], ["text", "image", FUSED_VECTOR]);
  return points.get(productId);
}

/** Everything that is stored of the product, as text that is equal where every bit is. */
async function bytesOf(index: ProductIndex, productId: string): Promise<string> {
  const { payload, vectors = {} } = (await stored(index, productId)) ?? {};
  const hex = Object.entries(vectors).map(([name, vector]) => [
    name,
    Buffer.from(vectorToBytes(vector)).toString("hex"),
  ]);
  return JSON.stringify({ payload, vectors: hex }, undefined, 1);
}

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, at) =>
    permutations(items.toSpliced(at, 1)).map((rest) => [item].concat(rest)),
  );
}

describe("what becomes of events that come late, twice or again", () => {
  const id = "product";
  const last = embedded(id, 4, {
    attributes: { title: "Last" },
    embeddings: [{ ...text, vector: vectorToBytes(new Float32Array([4, 0, 0, 1])) }],
  });
  const history = [
    embedded(id, 1, { attributes: { title: "First", price: 3, groupId: "g" } }),
    embedded(id, 2, { attributes: { title: "Second", brand: "B" } }),
    removed(id, 3),
  ];

  test.each([
    ["embedded", last],
    ["removed", removed(id, 4)],
  ])("every order and batching ends in the last revision alone, %s", async (_, end) => {
    const alone = await createHarness();
    await alone.fuseProducts([end]);
    const expected = await bytesOf(alone.index, id);
    const events = [...history, end, end];
    for (const order of permutations(events)) {
      for (const cut of [0, 1, 2, 3, 4]) {
        const { index, fuseProducts } = await createHarness();
        expect(await fuseProducts(order.slice(0, cut))).toEqual([]);
        expect(await fuseProducts(order.slice(cut))).toEqual([]);
        expect(await bytesOf(index, id)).toBe(expected);
      }
    }
  });

  test("a replay of everything changes nothing, at no moment", async () => {
    const { index, fuseProducts } = await createHarness();
    await fuseProducts([...history, last]);
    const before = await bytesOf(index, id);
    for (const event of [...history, last]) {
      await fuseProducts([event]);
      expect(await bytesOf(index, id)).toBe(before);
    }
  });

  test("a late event never resurrects a removed product", async () => {
    const { index, fuseProducts } = await createHarness();
    await fuseProducts([removed(id, 3)]);
    await fuseProducts([embedded(id, 2)]);
    expect((await stored(index, id))?.payload).toMatchObject({ removed: true, revision: 3 });
    expect(await index.count(collection)).toBe(0);
    await fuseProducts([embedded(id, 4)]);
    expect(await index.count(collection)).toBe(1);
  });

  test("a point keeps nothing of the revision before", async () => {
    const { index, fuseProducts } = await createHarness();
    await fuseProducts(history.slice(0, 1));
    await fuseProducts([last]);
    const point = await stored(index, id);
    expect(point?.payload).not.toHaveProperty("price");
    expect(point?.payload.groupId).toBe(id);
    expect(Object.keys(point?.vectors ?? {}).sort()).toEqual(["fused", "text"]);
  });

  test("what became of each event is counted once it is written", async () => {
    let unavailable = true;
    const index = openProductIndex("memory:");
    const upsert: ProductIndex["upsert"] = (...args) =>
      unavailable ? Promise.reject(new Error("unavailable")) : index.upsert(...args);
    const { fuseProducts, counted } = await createHarness({ ...index, upsert });
    const batch = [
      ...history,
      removed("other", 1),
      embedded("third", 1),
      embedded("bad", 1, { embeddings: [{ ...text, encoder: "other" }] }),
    ];
    await expect(fuseProducts(batch)).rejects.toThrow("unavailable");
    unavailable = false;
    await fuseProducts(batch);
    await fuseProducts([embedded(id, 1)]);
    expect(await counted("written")).toBe(1);
    expect(await counted("removed")).toBe(2);
    expect(await counted("superseded")).toBe(3);
    expect(await counted("unusable")).toBe(1);
  });
});

describe("vectors", () => {
  test("the fused vector is what the bundle's fusion makes of the stored ones", async () => {
    const { index, fuseProducts } = await createHarness();
    await fuseProducts([embedded("a", 1)]);
    const point = await stored(index, "a");
    const expected = fuse(bundle.fusion, { text: textVector, image: imageVector });
    expect(Array.from(point?.vectors[FUSED_VECTOR] ?? [])).toEqual(Array.from(expected ?? [0]));
    expect(Array.from(point?.vectors["text"] ?? [])).toEqual(Array.from(textVector));
    expect(point?.payload).toMatchObject({
      modalities: ["image", "text"],
      encoders: {
        text: { encoder: "words", digest: "t" },
        image: { encoder: "pixels", digest: "i" },
      },
    });
  });

  test.each([
    [
      "another encoder",
      { ...text, encoder: "letters" },
      `text is encoded by letters, bundle ${bundle.id} expects words`,
    ],
    [
      "too few dimensions",
      { ...text, vector: vectorToBytes(new Float32Array(3)) },
      "text has 12 bytes, expected 4 float32",
    ],
    [
      "bytes that are no whole number of float32",
      { ...image, vector: new Uint8Array(25) },
      "image has 25 bytes, expected 6 float32",
    ],
    [
      "a number that is not finite",
      { ...text, vector: vectorToBytes(new Float32Array([0, Number.NaN, 0, 0])) },
      "text holds a number that is not finite",
    ],
    [
      "an infinite number",
      { ...image, vector: vectorToBytes(new Float32Array([0, 0, 0, 0, 0, -Infinity])) },
      "image holds a number that is not finite",
    ],
  ])("%s makes an event unusable and harms no other", async (_, embedding, cause) => {
    const { index, fuseProducts } = await createHarness();
    const batch = [
      embedded("a", 1),
      embedded("bad", 1, { embeddings: [embedding] }),
      embedded("b", 1),
    ];
    expect(await fuseProducts(batch)).toEqual([{ index: 1, cause }]);
    expect(await stored(index, "bad")).toBeUndefined();
    expect(await index.count(collection)).toBe(2);
  });

  test("a modality that stands twice is unusable: which one counts is not for us to say", async () => {
    const { fuseProducts } = await createHarness();
    const unusable = await fuseProducts([embedded("a", 1, { embeddings: [text, image, text] })]);
    expect(unusable).toEqual([{ index: 0, cause: "text stands twice" }]);
  });

  test.each(["video", "constructor", "__proto__"])(
    "modality %s, which the bundle does not have, is ignored",
    async (modality) => {
      const { index, fuseProducts } = await createHarness();
      const unknown = { modality, encoder: "some", digest: "x", vector: new Uint8Array(5) };
      expect(await fuseProducts([embedded("a", 1, { embeddings: [unknown, text] })])).toEqual([]);
      const point = await stored(index, "a");
      expect(point?.payload.modalities).toEqual(["text"]);
      expect(Object.keys(point?.payload.encoders ?? {})).toEqual(["text"]);
    },
  );

  test("a product without any modality is written, without a fused vector", async () => {
    const { index, fuseProducts } = await createHarness();
    expect(
      await fuseProducts([embedded("a", 1, { attributes: { title: "A" }, embeddings: [] })]),
    ).toEqual([]);
    const point = await stored(index, "a");
    expect(point?.payload).toMatchObject({ title: "A", modalities: [], encoders: {} });
    expect(point?.vectors).toEqual({});
    expect(await index.scan(collection, { orderBy: "availableFromMs", limit: 5 })).toHaveLength(1);
  });

  test("a zero vector has no direction: its modality does not count as present", async () => {
    const { index, fuseProducts } = await createHarness();
    const zero = { ...image, vector: vectorToBytes(new Float32Array(6)) };
    await fuseProducts([embedded("a", 1, { embeddings: [text, zero] })]);
    const point = await stored(index, "a");
    expect(point?.payload.modalities).toEqual(["text"]);
    expect(Array.from(point?.vectors[FUSED_VECTOR] ?? [])).toEqual(
      Array.from(fuse(bundle.fusion, { text: textVector }) ?? []),
    );
  });
});

describe("attributes", () => {
  async function payloadOf(
    attributes: NonNullable<MessageInitShape<typeof EmbeddedProductSchema>["attributes"]>,
  ): Promise<Point["payload"] | undefined> {
    const { index, fuseProducts } = await createHarness();
    const id = randomUUID();
    await fuseProducts([embedded(id, 7, { attributes })]);
    return (await stored(index, id))?.payload;
  }

  test("a product stands in every category above its own, once, in a fixed order", async () => {
    const payload = await payloadOf({
      categories: ["Women/Bottoms/Pants", "Women/Bottoms/Jeans", "Sale"],
    });
    expect(payload?.categories).toEqual([
      "Sale",
      "Women",
      "Women/Bottoms",
      "Women/Bottoms/Jeans",
      "Women/Bottoms/Pants",
    ]);
  });

  test("a product without a group is a group of its own", async () => {
    const payload = await payloadOf({});
    expect(payload?.groupId).toBe(payload?.productId);
    expect((await payloadOf({ groupId: "shirts" }))?.groupId).toBe("shirts");
  });

  test.each([
    [Availability.UNSPECIFIED, "in-stock"],
    [Availability.IN_STOCK, "in-stock"],
    [Availability.OUT_OF_STOCK, "out-of-stock"],
    [Availability.PREORDER, "preorder"],
    // A newer producer's value.
    [99, "in-stock"],
  ])("availability %i is stored as %s", async (value, expected) => {
    // oxlint-disable-next-line typescript/no-unsafe-enum-assignment
    const availability: Availability = value;
    expect((await payloadOf({ availability }))?.availability).toBe(expected);
  });

  test("the time of the change stands in for the time from which it is available", async () => {
    expect((await payloadOf({}))?.availableFromMs).toBe(NOW + 7);
    const availableFrom = timestampFromMs(NOW - 5_000);
    expect((await payloadOf({ availableFrom }))?.availableFromMs).toBe(NOW - 5_000);
  });

  test("a price of 0 is a price; no price is none", async () => {
    expect((await payloadOf({ price: 0 }))?.price).toBe(0);
    expect(await payloadOf({})).not.toHaveProperty("price");
  });
});
