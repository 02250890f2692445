import { create } from "@bufbuild/protobuf";
import { ProductSchema } from "@marquetry/contracts/events/product_pb";
import { describe, expect, test } from "@jest/globals";
import { claimedDigest, digestOf, embeddingDigest, textOf } from "./content.js";

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

describe("digests", () => {
  test("of a content are the same for the same text or bytes, as producers write them", () => {
    expect(digestOf("shoe")).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(digestOf(new TextEncoder().encode("shoe"))).toBe(digestOf("shoe"));
    expect(digestOf("shoes")).not.toBe(digestOf("shoe"));
  });

  test("of an embedding differ by encoder, and do not mix up where its name ends", () => {
    expect(embeddingDigest("minilm", "shoe")).toMatch(/^[0-9a-f]{64}$/);
    expect(embeddingDigest("minilm", "shoe")).toBe(embeddingDigest("minilm", "shoe"));
    expect(embeddingDigest("minilm-2", "shoe")).not.toBe(embeddingDigest("minilm", "shoe"));
    expect(embeddingDigest("ab", "c")).not.toBe(embeddingDigest("a", "bc"));
  });

  test("that producers give count everywhere where they are SHA-256, else for their URL only", () => {
    const sha = digestOf("bytes");
    expect(claimedDigest({ url: "a", digest: "" })).toBeUndefined();
    for (const url of ["a", "b"]) {
      expect(claimedDigest({ url, digest: sha })).toBe(sha);
      expect(claimedDigest({ url, digest: sha.toUpperCase().replace("SHA", "sha") })).toBe(sha);
    }
    const md5 = (url: string) => claimedDigest({ url, digest: "md5:abc" });
    expect(md5("a")).toBe(md5("a"));
    expect(md5("a")).not.toBe(md5("b"));
    expect(md5("a")).not.toMatch(/^sha256:/);
    expect(claimedDigest({ url: "c", digest: "ab" })).not.toBe(
      claimedDigest({ url: "bc", digest: "a" }),
    );
  });
});
