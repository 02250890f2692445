import { withChecks } from "../checks.js";
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

  return withChecks({
    ensureCollection: (spec) => ensureCollection(client, spec),
    upsert: (collection, points) => upsertPoints(client, collection, points),
    retrieve: (collection, ids, vectors) => retrievePoints(client, collection, ids, vectors),
    query: (collection, query) => queryPoints(client, collection, query),
    scan: (collection, scan) => scanPoints(client, collection, scan),
    page: (collection, request) => pageOfPoints(client, collection, request),
    count: (collection, filter) => countPoints(client, collection, filter),

    async dropCollection(collection) {
      await send(() => client.deleteCollection(collection)).catch(ignoreNotFound);
    },

    async ping() {
      await send(() => client.getCollections());
    },

    // The client's sockets are unreferenced once idle and close by themselves after 10 s.
    async close() {},
  });
}
