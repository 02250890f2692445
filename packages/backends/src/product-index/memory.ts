import { MarquetryError } from "@marquetry/runtime/errors";
import { withChecks } from "./checks.js";
import { createFilter } from "./filter.js";
import {
  checkSameVectors,
  createCollection,
  nearestPoints,
  pageOfPoints,
  readPoint,
  scanPoints,
  writePoints,
} from "./memory-collection.js";
import type { Collection } from "./memory-collection.js";
import type { Point, ProductIndex } from "./product-index.js";

/**
 * A product index inside the process: exact, by reading every vector. Each call runs to its end
 * before another starts, so the guarantees of the port need no locks.
 */
export function createMemoryProductIndex(): ProductIndex {
  const collections = new Map<string, Collection>();

  function find(name: string): Collection {
    const found = collections.get(name);
    if (found === undefined) {
      throw new MarquetryError("not-found", `there is no collection "${name}"`);
    }
    return found;
  }

  return withChecks({
    async ensureCollection(spec) {
      const existing = collections.get(spec.name);
      if (existing === undefined) collections.set(spec.name, createCollection(spec));
      else checkSameVectors(existing, spec);
    },

    async upsert(collection, points) {
      if (points.length > 0) writePoints(find(collection), points);
    },

    async retrieve(collection, productIds, vectors) {
      const found = new Map<string, Point>();
      if (productIds.length === 0) return found;
      const stored = find(collection);
      for (const productId of productIds) {
        const row = stored.rows.get(productId);
        if (row !== undefined) found.set(productId, readPoint(stored, row, vectors));
      }
      return found;
    },

    query: async (collection, query) => nearestPoints(find(collection), query),
    scan: async (collection, scan) => scanPoints(find(collection), scan),
    page: async (collection, request) => pageOfPoints(find(collection), request),

    async count(collection, filter) {
      const passes = createFilter(filter);
      let passing = 0;
      for (const payload of find(collection).payloads) if (passes(payload)) passing += 1;
      return passing;
    },

    async dropCollection(collection) {
      collections.delete(collection);
    },

    async ping() {},
    async close() {},
  });
}
