import type { Point, PointFilter } from "../product-index.js";
import { pointId } from "./codec.js";

/** Tombstones never pass. */
export function livePointsFilter(filter: PointFilter = {}) {
  const must: object[] = [{ key: "removed", match: { value: false } }];
  const anyOf = { categories: filter.categoriesAny, brand: filter.brandsAny };
  for (const [key, values] of Object.entries({ ...anyOf, availability: filter.availabilityAny })) {
    if (values !== undefined) must.push({ key, match: { any: [...values] } });
  }
  if (filter.priceMin !== undefined || filter.priceMax !== undefined) {
    must.push({ key: "price", range: { gte: filter.priceMin, lte: filter.priceMax } });
  }
  if (filter.productIdsAny !== undefined) {
    must.push({ has_id: filter.productIdsAny.map(pointId) });
  }
  const mustNot: object[] = [];
  if (filter.productIdsNone !== undefined && filter.productIdsNone.length > 0) {
    mustNot.push({ has_id: filter.productIdsNone.map(pointId) });
  }
  if (filter.groupIdsNone !== undefined && filter.groupIdsNone.length > 0) {
    mustNot.push({ key: "group_id", match: { any: [...filter.groupIdsNone] } });
  }
  return mustNot.length === 0 ? { must } : { must, must_not: mustNot };
}

/** The stored points that this one may replace. What is not stored yet is inserted in any case. */
export function replaceableFilter({ payload: { revision }, replaces }: Point) {
  const notNewer = { must_not: [{ key: "revision", range: { gt: revision } }] };
  if (replaces === undefined) return notNewer;
  const version =
    replaces === 0
      ? { is_empty: { key: "version" } }
      : { key: "version", match: { value: replaces } };
  return { ...notNewer, must: [version] };
}
