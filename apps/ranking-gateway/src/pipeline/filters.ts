/** The request's filter as the index takes it, checked against what the catalogue has. */
import { LRUCache } from "lru-cache";
import type { PointFilter } from "@marquetry/backends/product-index";
import { availabilityName } from "@marquetry/contracts/availability";
import type { Filter } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { MarquetryError } from "@marquetry/runtime/errors";
import type { Catalogue } from "./catalogue.js";

/** @throws MarquetryError `invalid` for a category that no product has or an empty price range. */
export type ToPointFilter = (filter: Filter | undefined) => Promise<PointFilter>;

const KNOWN_CATEGORIES_MAX = 10_000;
const KNOWN_MS = 60_000;

export function createToPointFilter(catalogue: Catalogue): ToPointFilter {
  const known = new LRUCache<string, true>({ max: KNOWN_CATEGORIES_MAX, ttl: KNOWN_MS });

  async function assertKnown(category: string, position: number): Promise<void> {
    if (known.has(category)) return;
    if ((await catalogue.count({ categoriesAny: [category] })) === 0) {
      const field = `filter.categories[${position}]`;
      throw new MarquetryError("invalid", `no product is in category ${JSON.stringify(category)}`, {
        field,
      });
    }
    known.set(category, true);
  }

  return async (filter) => {
    if (filter === undefined) return {};
    const { categories, brands, priceMin, priceMax, availability } = filter;
    if (priceMin !== undefined && priceMax !== undefined && priceMin > priceMax) {
      throw new MarquetryError("invalid", "must not be above price_max", {
        field: "filter.price_min",
      });
    }
    await Promise.all(categories.map(assertKnown));
    const availabilityAny = availability.flatMap((each) => availabilityName(each) ?? []);
    return {
      ...(categories.length === 0 ? {} : { categoriesAny: categories }),
      ...(brands.length === 0 ? {} : { brandsAny: brands }),
      ...(priceMin === undefined ? {} : { priceMin }),
      ...(priceMax === undefined ? {} : { priceMax }),
      ...(availabilityAny.length === 0 ? {} : { availabilityAny }),
    };
  };
}
