import {
  checkFilter,
  checkName,
  checkPage,
  checkPoints,
  checkQuery,
  checkScan,
  checkSpec,
} from "../checks.js";
import type { ProductIndex } from "../product-index.js";
import { createClient } from "./client.js";
import type { QdrantOptions } from "./client.js";
import { ensureCollection } from "./collection.js";
import { ignoreNotFound, send } from "./errors.js";
import {
  countPoints,
  pageOfPoints,
  queryPoints,
  retrievePoints,
  scanPoints,
  upsertPoints,
} from "./points.js";

/**
 * A product index on a Qdrant server, 1.16 or later (`update_filter`).
 *
 * A point's id is a UUID made from the product id, which the payload carries. What is read right
 * after a write comes from any replica, so a collection with several needs a write consistency
 * factor that covers them all; both numbers are set on the server.
 */
export function createQdrantProductIndex(options: QdrantOptions): ProductIndex {
  const client = createClient(options);

  return {
    async ensureCollection(spec) {
      checkSpec(spec);
      await ensureCollection(client, spec);
    },

    async upsert(collection, points) {
      checkName(collection, "collection");
      checkPoints(points);
      await upsertPoints(client, collection, points);
    },

    async retrieve(collection, productIds, vectors) {
      checkName(collection, "collection");
      return retrievePoints(client, collection, productIds, vectors);
    },

    async query(collection, query) {
      checkName(collection, "collection");
      checkQuery(query);
      return queryPoints(client, collection, query);
    },

    async scan(collection, scan) {
      checkName(collection, "collection");
      checkScan(scan);
      return scanPoints(client, collection, scan);
    },

    async page(collection, request) {
      checkName(collection, "collection");
      checkPage(request);
      return pageOfPoints(client, collection, request);
    },

    async count(collection, filter) {
      checkName(collection, "collection");
      checkFilter(filter);
      return countPoints(client, collection, filter);
    },

    async dropCollection(collection) {
      checkName(collection, "collection");
      await send(() => client.deleteCollection(collection)).catch(ignoreNotFound);
    },

    async ping() {
      await send(() => client.getCollections());
    },

    // The client's sockets are unreferenced once idle and close by themselves after 10 s.
    async close() {},
  };
}
