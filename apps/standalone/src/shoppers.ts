/** Simulated shoppers with distinct tastes, for a demo: seeded, so that every run tells the same. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Action, ClickstreamEventSchema } from "@marquetry/contracts/events/clickstream_pb";
import type { ClickstreamEvent } from "@marquetry/contracts/events/clickstream_pb";
import type { CatalogueProduct } from "./catalogue.js";

export interface Shopper {
  readonly id: string;
  /** The category the shopper mostly looks at. */
  readonly taste: string;
  readonly behaviours: readonly {
    readonly product: CatalogueProduct;
    readonly action: Action;
    readonly atMs: number;
  }[];
}

const MINUTE_MS = 60_000;
const TASTES_MAX = 8;
const PRODUCTS_PER_TASTE_MIN = 4;
/** One behaviour in so many strays from the taste. */
const STRAY_EVERY = 7;

/**
 * `count` shoppers over the catalogue's largest categories; the first of each taste stand first.
 * Each looks at five to eight products, puts one into the cart and buys it.
 */
export function simulateShoppers(
  catalogue: readonly CatalogueProduct[],
  count: number,
  nowMs: number,
  seed = 7,
): Shopper[] {
  const random = seededRandom(seed);
  const tastes = tastesOf(catalogue);
  return Array.from({ length: count }, (_, at) => {
    const [taste, products] = tastes[at % tastes.length] as (typeof tastes)[number];
    const looks = 5 + Math.floor(random() * 4);
    const behaviours = Array.from({ length: looks }, (_unused, step) => {
      const stray = (at + step) % STRAY_EVERY === STRAY_EVERY - 1;
      const from = stray ? catalogue : products;
      const product = from[Math.floor(random() * from.length)] as CatalogueProduct;
      return { product, action: Action.VIEW, atMs: nowMs - (looks - step + at) * MINUTE_MS };
    });
    const favourite =
      behaviours.findLast(({ product }) => products.includes(product)) ?? behaviours[0];
    const bought = [Action.ADD_TO_CART, Action.PURCHASE].map((action, step) => ({
      product: favourite?.product as CatalogueProduct,
      action,
      atMs: nowMs - at * MINUTE_MS + step * 1000 - MINUTE_MS / 2,
    }));
    return { id: `shopper-${at + 1}`, taste, behaviours: [...behaviours, ...bought] };
  });
}

export function toClickstream(shopper: Shopper): ClickstreamEvent[] {
  return shopper.behaviours.map(({ product, action, atMs }, at) =>
    create(ClickstreamEventSchema, {
      eventId: `${shopper.id}-${at + 1}`,
      userId: shopper.id,
      occurredAt: timestampFromMs(atMs),
      event: { case: "interaction", value: { productId: product.id, action } },
    }),
  );
}

/** The categories with the most products, a product counted by the first path's two upper levels. */
function tastesOf(catalogue: readonly CatalogueProduct[]): [string, CatalogueProduct[]][] {
  const byCategory = Map.groupBy(catalogue, ({ categories }) =>
    (categories[0] ?? "").split("/").slice(0, 2).join("/"),
  );
  const tastes = [...byCategory]
    .filter(([category, products]) => category !== "" && products.length >= PRODUCTS_PER_TASTE_MIN)
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, TASTES_MAX);
  return tastes.length > 0 ? tastes : [["", [...catalogue]]];
}

/** Mulberry32 (Ettinger, public domain): uniform in [0, 1). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
