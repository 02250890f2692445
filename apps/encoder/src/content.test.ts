import { create } from "@bufbuild/protobuf";
import { ProductSchema } from "@marquetry/contracts/events/product_pb";
import { describe, expect, test } from "@jest/globals";
import { contentDigest, textOf } from "./content.js";

const shoe = {
  title: "Trail shoe",
  description: "Holds on wet rock",
  categories: ["Sport/Running/Shoes", "Women/Shoes", "Outlet"],
  brand: "Northpeak",
  price: 129.9,
};

describe("the text of a product", () => {
  test("is its title, the last level of each category once, its brand and its description", () => {
    expect(textOf(create(ProductSchema, shoe))).toBe(
      "Trail shoe. Shoes, Outlet. Northpeak. Holds on wet rock",
    );
  });

  test("is empty where a product has none, spaces and empty levels included", () => {
    expect(textOf(create(ProductSchema))).toBe("");
    expect(textOf(create(ProductSchema, { title: "  ", categories: ["/", " / "] }))).toBe("");
    expect(textOf(create(ProductSchema, { categories: ["Women/", "Bags"] }))).toBe("Women, Bags");
  });

  test("does not change with price, stock, picture, group or the upper levels of a category", () => {
    const text = textOf(create(ProductSchema, shoe));
    for (const change of [
      { price: 99 },
      { currency: "EUR" },
      { availability: 2 },
      { images: [{ url: "data:,x" }] },
      { groupId: "g" },
      { categories: ["Sport/Trail/Shoes", "Women/Shoes", "Outlet"] },
    ])
      expect(textOf(create(ProductSchema, { ...shoe, ...change }))).toBe(text);
  });

  test.each([
    { title: "Road shoe" },
    { description: "Light" },
    { brand: "" },
    { categories: ["Sport/Running/Socks"] },
  ])("changes with %p", (change) => {
    const text = textOf(create(ProductSchema, shoe));
    expect(textOf(create(ProductSchema, { ...shoe, ...change }))).not.toBe(text);
  });
});

describe("the digest of a content", () => {
  test("is the same for the same text or bytes, and another for another encoder", () => {
    const digest = contentDigest("minilm", "shoe");
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(contentDigest("minilm", "shoe")).toBe(digest);
    expect(contentDigest("minilm", new TextEncoder().encode("shoe"))).toBe(digest);
    expect(contentDigest("minilm", "shoes")).not.toBe(digest);
    expect(contentDigest("minilm-2", "shoe")).not.toBe(digest);
  });

  test("does not mix up where the encoder's id ends and the content begins", () => {
    expect(contentDigest("ab", "c")).not.toBe(contentDigest("a", "bc"));
  });
});
