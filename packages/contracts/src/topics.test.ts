import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "@jest/globals";
import { ClickstreamEventSchema } from "../gen/marquetry/events/v1/clickstream_pb.js";
import {
  ProductChangeSchema,
  ProductEmbeddedSchema,
} from "../gen/marquetry/events/v1/product_pb.js";
import { CLICKSTREAM, PRODUCT_CHANGES, PRODUCT_EMBEDDINGS, TOPICS } from "./topics.js";
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
    ["marquetry.product-embeddings.v1", "marquetry.events.v1.ProductEmbedded"],
    ["marquetry.clickstream.v1", "marquetry.events.v1.ClickstreamEvent"],
  ]);
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
