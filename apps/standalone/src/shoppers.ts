/** Simulated shoppers of distinct interests, for a demo: seeded, so that every run is the same. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Action, ClickstreamEventSchema } from "@marquetry/contracts/events/clickstream_pb";
import type { ClickstreamEvent } from "@marquetry/contracts/events/clickstream_pb";
import { mulberry32 } from "@marquetry/model/vectors/random";
import type { CatalogueProduct } from "./catalogue.js";

export interface Shopper {
  readonly id: string;
  /** What the shopper mostly looks at. */
  readonly category: string;
  readonly interactions: readonly {
    readonly product: CatalogueProduct;
    readonly action: Action;
    readonly atMs: number;
  }[];
}

const MINUTE_MS = 60_000;
const CATEGORIES_MAX = 8;
const PRODUCTS_PER_CATEGORY_MIN = 4;
/** One interaction in so many strays from the category. */
const STRAY_EVERY = 7;

/**
 * `count` shoppers over the catalogue's largest categories; the first of each category stand first.
 * Each looks at five to eight products, puts one into the cart and buys it.
 */
export function simulateShoppers(
  catalogue: readonly CatalogueProduct[],
  count: number,
  nowMs: number,
  seed = 7,
): Shopper[] {
  const random = mulberry32(seed);
  const groups = largestCategories(catalogue);
  return Array.from({ length: count }, (_, at) => {
    const [category, products] = groups[at % groups.length] as (typeof groups)[number];
    const looks = 5 + Math.floor(random() * 4);
    const interactions = Array.from({ length: looks }, (_unused, step) => {
      const stray = (at + step) % STRAY_EVERY === STRAY_EVERY - 1;
      const from = stray ? catalogue : products;
      const product = from[Math.floor(random() * from.length)] as CatalogueProduct;
      return { product, action: Action.VIEW, atMs: nowMs - (looks - step + at) * MINUTE_MS };
    });
    const favourite =
      interactions.findLast(({ product }) => products.includes(product)) ?? interactions[0];
    const bought = [Action.ADD_TO_CART, Action.PURCHASE].map((action, step) => ({
      product: favourite?.product as CatalogueProduct,
      action,
      atMs: nowMs - at * MINUTE_MS + step * 1000 - MINUTE_MS / 2,
    }));
    return { id: `shopper-${at + 1}`, category, interactions: [...interactions, ...bought] };
  });
}

export function toClickstream(shopper: Shopper): ClickstreamEvent[] {
  return shopper.interactions.map(({ product, action, atMs }, at) =>
    create(ClickstreamEventSchema, {
      eventId: `${shopper.id}-${at + 1}`,
      userId: shopper.id,
      occurredAt: timestampFromMs(atMs),
      event: { case: "interaction", value: { productId: product.id, action } },
    }),
  );
}

/** The categories with the most products, a product counted by the first path's two upper levels. */
function largestCategories(catalogue: readonly CatalogueProduct[]): [string, CatalogueProduct[]][] {
  const byCategory = Map.groupBy(catalogue, ({ categories }) =>
    (categories[0] ?? "").split("/").slice(0, 2).join("/"),
  );
  const largest = [...byCategory]
    .filter(
      ([category, products]) => category !== "" && products.length >= PRODUCTS_PER_CATEGORY_MIN,
    )
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, CATEGORIES_MAX);
  return largest.length > 0 ? largest : [["", [...catalogue]]];
}
