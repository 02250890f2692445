/** The requests that read and write points. Arguments are checked already. */
import type { QdrantClient } from "@qdrant/js-client-rest";
import type {
  FoundPoint,
  Page,
  PageRequest,
  Point,
  PointFilter,
  Scan,
  ScoredPoint,
  VectorQuery,
} from "../product-index.js";
import { forEachBounded, readBatches, writeBatches } from "./batches.js";
import { FOUND_KEYS, pointId, readFoundPoint, readPoint, writePoint } from "./codec.js";
import { send } from "./errors.js";
import { livePointsFilter, replaceableFilter } from "./filter.js";

const WRITES_IN_FLIGHT_MAX = 2;
const READS_IN_FLIGHT_MAX = 4;

export async function upsertPoints(
  client: QdrantClient,
  collection: string,
  points: readonly Point[],
): Promise<void> {
  await forEachBounded(writeBatches(points), WRITES_IN_FLIGHT_MAX, async (batch) => {
    const operations = guardedUpserts(batch);
    await send(() =>
      client.batchUpdate(collection, { operations, wait: true, ordering: "strong" }),
    );
  });
}

/** `update_filter` holds for a whole operation, so there is one for each guard of the batch. */
function guardedUpserts(points: readonly Point[]) {
  const byGuard = Map.groupBy(points, ({ payload, replaces }) => `${payload.revision} ${replaces}`);
  return Array.from(byGuard.values(), (group) => ({
    upsert: { points: group.map(writePoint), update_filter: replaceableFilter(group[0]!) },
  }));
}

export async function retrievePoints(
  client: QdrantClient,
  collection: string,
  productIds: readonly string[],
  vectors: readonly string[],
): Promise<Map<string, Point>> {
  const found = new Map<string, Point>();
  await forEachBounded(readBatches(productIds), READS_IN_FLIGHT_MAX, async (batch) => {
    const records = await send(() =>
      client.retrieve(collection, {
        ids: batch.map(pointId),
        with_payload: true,
        with_vector: vectorSelector(vectors),
      }),
    );
    for (const point of records.map(readPoint)) found.set(point.payload.productId, point);
  });
  return found;
}

export async function queryPoints(
  client: QdrantClient,
  collection: string,
  query: VectorQuery,
): Promise<ScoredPoint[]> {
  const { points } = await send(() =>
    client.query(collection, {
      query: Array.from(query.vector),
      using: query.using,
      limit: query.limit,
      filter: livePointsFilter(query.filter),
      with_payload: FOUND_KEYS,
      with_vector: vectorSelector(query.vectors ?? []),
    }),
  );
  const scored = points.map((point) =>
    Object.assign(readFoundPoint(point), { score: point.score }),
  );
  return scored.sort((a, b) => b.score - a.score || compareProductIds(a, b));
}

export async function scanPoints(
  client: QdrantClient,
  collection: string,
  { orderBy, limit, filter }: Scan,
): Promise<FoundPoint[]> {
  const { points } = await send(() =>
    client.scroll(collection, {
      order_by: { key: "available_from_ms", direction: "desc" },
      limit,
      filter: livePointsFilter(filter),
      with_payload: FOUND_KEYS,
      with_vector: false,
    }),
  );
  return points
    .map(readFoundPoint)
    .sort((a, b) => b.payload[orderBy] - a.payload[orderBy] || compareProductIds(a, b));
}

export async function pageOfPoints(
  client: QdrantClient,
  collection: string,
  { limit, vectors, after }: PageRequest,
): Promise<Page> {
  const { points: records, next_page_offset: next } = await send(() =>
    client.scroll(collection, {
      limit,
      filter: livePointsFilter(),
      with_payload: true,
      with_vector: vectorSelector(vectors),
      ...(after === undefined ? {} : { offset: after }),
    }),
  );
  const points = records.map(readPoint);
  return typeof next === "string" ? { points, next } : { points };
}

export async function countPoints(
  client: QdrantClient,
  collection: string,
  filter: PointFilter | undefined,
): Promise<number> {
  const { count } = await send(() =>
    client.count(collection, { filter: livePointsFilter(filter), exact: true }),
  );
  return count;
}

function vectorSelector(names: readonly string[]): string[] | false {
  return names.length === 0 ? false : [...names];
}

function compareProductIds(a: FoundPoint, b: FoundPoint): number {
  return a.payload.productId < b.payload.productId ? -1 : 1;
}
