import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "@jest/globals";
import { ClickstreamEventSchema } from "../gen/marquetry/events/v1/clickstream_pb.js";
import {
  ProductChangeSchema,
  ProductEmbeddedSchema,
} from "../gen/marquetry/events/v1/product_pb.js";
import { COLLABORATIVE } from "./modalities.js";
import {
  CLICKSTREAM,
  PRODUCT_CHANGES,
  PRODUCT_CHANGES_RETRY,
  PRODUCT_EMBEDDINGS,
  TOPICS,
  embeddingKey,
} from "./topics.js";
import { findProblem } from "./validation.js";

test("one product's events share a key on both topics, and one user's on theirs", () => {
  expect(PRODUCT_CHANGES.key(create(ProductChangeSchema, { productId: "p1" }))).toBe("p1");
  expect(PRODUCT_EMBEDDINGS.key(create(ProductEmbeddedSchema, { productId: "p1" }))).toBe("p1");
  const erased = create(ClickstreamEventSchema, {
    eventId: "e1",
    userId: "u1",
    event: { case: "erased", value: {} },
  });
  expect(CLICKSTREAM.key(erased)).toBe("u1");
});

test("the names that producers know never change", () => {
  expect(TOPICS.map(({ name, schema }) => [name, schema.typeName])).toEqual([
    ["marquetry.product-changes.v1", "marquetry.events.v1.ProductChange"],
    ["marquetry.product-changes-retry.v1", "marquetry.events.v1.ProductChange"],
    ["marquetry.product-embeddings.v1", "marquetry.events.v1.ProductEmbedded"],
    ["marquetry.clickstream.v1", "marquetry.events.v1.ClickstreamEvent"],
  ]);
});

test("events of one product that say different things never push each other out of the topic", () => {
  const of = (modalities: string[]) =>
    create(ProductEmbeddedSchema, {
      productId: "p1",
      state: { case: "embedded", value: { modalities } },
    });
  const removed = create(ProductEmbeddedSchema, {
    productId: "p1",
    state: { case: "removed", value: {} },
  });
  expect(embeddingKey(of([]), 0)).toBe("p1");
  expect(embeddingKey(removed, 0)).toBe("p1");
  expect(embeddingKey(of(["text", "image"]), 0)).toBe(embeddingKey(of(["image", "text"]), 0));
  const keys = [of([]), of(["text"]), of(["image"])].flatMap((event) =>
    [0, 1, 2].map((attempt) => embeddingKey(event, attempt)),
  );
  expect(new Set(keys).size).toBe(keys.length);
});

test("collaborative vectors of two bundles stand side by side in the topic, and beside content", () => {
  const of = (encoder: string, imputed = false) =>
    create(ProductEmbeddedSchema, {
      productId: "p1",
      state: {
        case: "embedded",
        value: {
          modalities: [COLLABORATIVE],
          embeddings: [{ modality: COLLABORATIVE, encoder, vector: new Uint8Array(4), imputed }],
        },
      },
    });
  expect(embeddingKey(of("one"), 0)).not.toBe(embeddingKey(of("other"), 0));
  // The last word of one bundle's exports is enough.
  expect(embeddingKey(of("one", true), 0)).toBe(embeddingKey(of("one"), 0));
});

test("a retry has room for its headers beside the largest change", () => {
  expect(PRODUCT_CHANGES_RETRY.recordBytesMax).toBeGreaterThanOrEqual(
    PRODUCT_CHANGES.recordBytesMax + 16_384,
  );
});

test("a product with the longest texts and the largest picture fits its topic", () => {
  const change = create(ProductChangeSchema, {
    productId: "€".repeat(256),
    revision: 1n,
    occurredAt: timestampFromMs(1),
    change: {
      case: "upserted",
      value: {
        title: "t".repeat(1_024),
        description: "d".repeat(65_536),
        categories: Array.from({ length: 32 }, () => "😀".repeat(512)),
        brand: "😀".repeat(256),
        groupId: "😀".repeat(256),
        images: [{ url: `data:,${"x".repeat(10_485_754)}` }],
      },
    },
  });
  expect(findProblem(ProductChangeSchema, change)).toBeUndefined();
  const { length } = toBinary(ProductChangeSchema, change);
  expect(length).toBeGreaterThan(10_485_760);
  expect(length).toBeLessThan(PRODUCT_CHANGES.recordBytesMax);
});
