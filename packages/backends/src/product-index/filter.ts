import type { PointPayload } from "./payload.js";
import type { PointFilter } from "./product-index.js";

/** Whether a live point passes the filter. */
export function createFilter(filter: PointFilter = {}): (payload: PointPayload) => boolean {
  const categories = setOf(filter.categoriesAny);
  const brands = setOf(filter.brandsAny);
  const availabilities = setOf(filter.availabilityAny);
  const ids = setOf(filter.productIdsAny);
  const excluded = setOf(filter.productIdsNone);
  const excludedGroups = setOf(filter.groupIdsNone);
  const { priceMin, priceMax } = filter;
  const priced = priceMin !== undefined || priceMax !== undefined;
  return (payload) => {
    if (payload.removed) return false;
    if (brands !== undefined && !brands.has(payload.brand)) return false;
    if (availabilities !== undefined && !availabilities.has(payload.availability)) return false;
    if (ids !== undefined && !ids.has(payload.productId)) return false;
    if (excluded !== undefined && excluded.has(payload.productId)) return false;
    if (excludedGroups !== undefined && excludedGroups.has(payload.groupId)) return false;
    if (categories !== undefined && !payload.categories.some((path) => categories.has(path))) {
      return false;
    }
    if (!priced) return true;
    const { price } = payload;
    return (
      price !== undefined &&
      (priceMin === undefined || price >= priceMin) &&
      (priceMax === undefined || price <= priceMax)
    );
  };
}

function setOf<T>(values: readonly T[] | undefined): ReadonlySet<T> | undefined {
  return values === undefined ? undefined : new Set(values);
}
