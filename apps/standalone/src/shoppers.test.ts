import { expect, test } from "@jest/globals";
import { Action } from "@marquetry/contracts/events/clickstream_pb";
import { CLICKSTREAM } from "@marquetry/contracts/topics";
import { findProblem } from "@marquetry/contracts/validation";
import type { CatalogueProduct } from "./catalogue.js";
import { simulateShoppers, toClickstream } from "./shoppers.js";

const NOW = Date.UTC(2026, 0, 1);

const catalogue: CatalogueProduct[] = ["Home/Lamps", "Home/Chairs", "Sport/Balls"].flatMap(
  (category) =>
    Array.from({ length: 6 }, (_, at) => ({
      id: `${category}-${at}`,
      title: category,
      description: "",
      categories: [category],
      brand: "",
      price: 1,
      currency: "",
      image: undefined,
      groupId: "",
    })),
);

test("shoppers differ in category, keep to it mostly, and buy within it", () => {
  const shoppers = simulateShoppers(catalogue, 3, NOW);
  expect(new Set(shoppers.map(({ category }) => category)).size).toBe(3);
  for (const { category, interactions } of shoppers) {
    const within = interactions.filter(({ product }) => product.categories[0] === category);
    expect(within.length / interactions.length).toBeGreaterThan(0.7);
    const bought = interactions.findLast(({ action }) => action === Action.PURCHASE);
    expect(bought?.product.categories[0]).toBe(category);
  }
});

test("the same seed gives the same shoppers, another seed others", () => {
  expect(simulateShoppers(catalogue, 5, NOW)).toEqual(simulateShoppers(catalogue, 5, NOW));
  expect(simulateShoppers(catalogue, 5, NOW, 8)).not.toEqual(simulateShoppers(catalogue, 5, NOW));
});

test("their events are valid, unique and in the past", () => {
  const events = simulateShoppers(catalogue, 10, Date.now()).flatMap(toClickstream);
  for (const event of events) expect(findProblem(CLICKSTREAM.schema, event)).toBeUndefined();
  expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length);
});

test("a catalogue without categories still has shoppers", () => {
  const bare = catalogue.map((product): CatalogueProduct =>
    Object.assign({}, product, { categories: [] }),
  );
  expect(simulateShoppers(bare, 2, NOW)).toHaveLength(2);
});
