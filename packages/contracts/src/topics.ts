/** The topic table: name, message and key of every topic, for producers and consumers alike.
 * Keys are the product id or the user id, so that one entity's events stay in order. */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { ClickstreamEventSchema } from "../gen/marquetry/events/v1/clickstream_pb.js";
import {
  ProductChangeSchema,
  ProductEmbeddedSchema,
} from "../gen/marquetry/events/v1/product_pb.js";

export interface Topic<Desc extends DescMessage> {
  readonly name: string;
  readonly schema: Desc;
  readonly key: (message: MessageShape<Desc>) => string;
  /** Fixed once data is there: more partitions would move keys. */
  readonly partitions: number;
  readonly recordBytesMax: number;
}

export const PRODUCT_CHANGES: Topic<typeof ProductChangeSchema> = {
  name: "marquetry.product-changes.v1",
  schema: ProductChangeSchema,
  key: (change) => change.productId,
  partitions: 6,
  // Pictures may travel inside as data: URLs.
  recordBytesMax: 12 * 1024 * 1024,
};

export const PRODUCT_EMBEDDINGS: Topic<typeof ProductEmbeddedSchema> = {
  name: "marquetry.product-embeddings.v1",
  schema: ProductEmbeddedSchema,
  key: (embedded) => embedded.productId,
  partitions: 6,
  recordBytesMax: 1024 * 1024,
};

export const CLICKSTREAM: Topic<typeof ClickstreamEventSchema> = {
  name: "marquetry.clickstream.v1",
  schema: ClickstreamEventSchema,
  key: (event) => event.userId,
  partitions: 6,
  recordBytesMax: 1024 * 1024,
};

export const TOPICS = [PRODUCT_CHANGES, PRODUCT_EMBEDDINGS, CLICKSTREAM] as const;
