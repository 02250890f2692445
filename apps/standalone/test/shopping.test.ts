/** A real catalogue through the whole platform: what shoppers do decides what they get. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { productCollection } from "@marquetry/backends/product-index";
import { ProductChangeSchema } from "@marquetry/contracts/events/product_pb";
import { Strategy } from "@marquetry/contracts/ranking/recommendation_service_pb";
import { PRODUCT_CHANGES } from "@marquetry/contracts/topics";
import { parse } from "csv-parse/sync";
import { readCatalogue, toProductChange } from "../src/catalogue.js";
import type { CatalogueProduct } from "../src/catalogue.js";
import type { Platform } from "../src/platform.js";
import { createRecommendationClient } from "../src/recommendation-client.js";
import type { RecommendationClient } from "../src/recommendation-client.js";
import {
  dataDirectory,
  deadLetters,
  deployments,
  endJourney,
  interaction,
  metric,
  sendChanges,
  sendEvents,
  startJourney,
  until,
  untilHistory,
  untilIndexed,
} from "./harness.js";

const LOAD_MS_MAX = 300_000;
const NOW = Date.now();
const luma = dataDirectory("magento-luma");
const describeWithData = luma === undefined ? describe.skip : describe;

describeWithData.each(deployments())("a shop of 461 products on %s", (_, servers) => {
  const directory = luma as string;
  let catalogue: CatalogueProduct[];
  let platform: Platform;
  let client: RecommendationClient;

  beforeAll(async () => {
    catalogue = await readCatalogue(directory);
    platform = await startJourney(servers, { MEDIA_FILE_ROOT: directory });
    client = createRecommendationClient(platform.grpcPort);
    await sendChanges(
      platform.bus,
      catalogue.map((product) => toProductChange(product, { revision: 1, occurredAtMs: NOW })),
    );
    await until(
      "every product is in the index",
      async () =>
        (await platform.index.count(productCollection(platform.bundle.id))) === catalogue.length,
      LOAD_MS_MAX,
    );
  }, LOAD_MS_MAX);

  afterAll(async () => {
    client?.close();
    if (platform !== undefined) await endJourney(platform);
  });

  /** One product of each of the first groups in a category. */
  function firstOf(category: string, count: number): CatalogueProduct[] {
    const groups = Map.groupBy(
      catalogue.filter(({ categories }) => categories.some((path) => path.startsWith(category))),
      ({ groupId }) => groupId,
    );
    return [...groups.values()].flatMap(([first]) => first ?? []).slice(0, count);
  }

  function isIn(category: string, productId: string): boolean {
    const product = catalogue.find(({ id }) => id === productId);
    return product?.categories.some((path) => path.startsWith(category)) ?? false;
  }

  async function shareIn(category: string, userId: string): Promise<number> {
    const { items } = await client.recommend({ userId, limit: 10 });
    expect(items).toHaveLength(10);
    return items.filter(({ productId }) => isIn(category, productId)).length;
  }

  async function view(userId: string, products: readonly CatalogueProduct[]): Promise<void> {
    await sendEvents(
      platform.bus,
      products.map(({ id }, at) => interaction(userId, id, { atMs: NOW - 60_000 + at * 1_000 })),
    );
    await untilHistory(platform, userId, products.length);
  }

  test("a shopper gets what fits her interest, her opposite does not, and both beat popularity", async () => {
    const [bottoms, bags] = ["Women/Bottoms", "Gear/Bags"];
    await view("yoga", firstOf(bottoms, 5));
    await view("bags", firstOf(bags, 5));
    const unknown = await client.recommend({ userId: "nobody", limit: 10 });
    expect(unknown.strategy).toBe(Strategy.POPULAR_AND_FRESH);

    const yoga = await shareIn(bottoms, "yoga");
    expect(yoga).toBeGreaterThanOrEqual(6);
    expect(await shareIn(bottoms, "bags")).toBeLessThan(3);
    expect(yoga).toBeGreaterThan(await shareIn(bottoms, "nobody"));
    expect(await shareIn("Gear", "bags")).toBeGreaterThan(await shareIn("Gear", "nobody"));
  });

  test("similar products hold the curated partners far more often than chance", async () => {
    const rows = parse<{ sku: string; linked_sku: string; type: string }>(
      await readFile(join(directory, "links.csv"), "utf8"),
      { columns: true },
    );
    const partners = Map.groupBy(rows, ({ sku }) => sku);
    const groups = new Set(catalogue.map(({ groupId }) => groupId));
    let [linked, found] = [0, 0];
    for (const [sku, links] of partners) {
      const product = catalogue.find(({ groupId }) => groupId === sku);
      if (product === undefined) continue;
      const { items } = await client.similarProducts({ productId: product.id, limit: 20 });
      const answered = new Set(
        items.map(({ productId }) => catalogue.find(({ id }) => id === productId)?.groupId),
      );
      const partnerIds = new Set(
        links.map(({ linked_sku }) => linked_sku).filter((id) => groups.has(id)),
      );
      linked += partnerIds.size;
      found += [...partnerIds].filter((id) => answered.has(id)).length;
    }
    const share = found / linked;
    const chance = 20 / (groups.size - 1);
    console.info(
      `curated partners in the top 20: ${share.toFixed(3)}, by chance ${chance.toFixed(3)} (${linked} links)`,
    );
    expect(linked).toBeGreaterThan(500);
    expect(share).toBeGreaterThan(2 * chance);
  });

  test("a price edit changes the payload and encodes nothing; a title edit encodes text only", async () => {
    const [product] = catalogue as [CatalogueProduct];
    const encoded = () => [...platform.encoders.values()].map((encoder) => encoder.encodedTotal());
    const [text, image] = encoded() as [number, number];

    await sendChanges(platform.bus, [
      toProductChange({ ...product, price: 1.25 }, { revision: 2, occurredAtMs: NOW }),
    ]);
    await untilIndexed(platform, product.id, 2);
    const stored = await platform.index.retrieve(
      productCollection(platform.bundle.id),
      [product.id],
      [],
    );
    expect(stored.get(product.id)?.payload.price).toBe(1.25);
    expect(encoded()).toEqual([text, image]);

    await sendChanges(platform.bus, [
      toProductChange({ ...product, title: "Another hoodie" }, { revision: 3, occurredAtMs: NOW }),
    ]);
    await untilIndexed(platform, product.id, 3);
    expect(encoded()).toEqual([text + 1, image]);
  });

  test("a product whose picture is corrupt is recommended by its text, counted and dead-lettered", async () => {
    const [like] = firstOf("Women/Bottoms/Pants", 1) as [CatalogueProduct];
    const change = create(ProductChangeSchema, {
      productId: "corrupt-picture",
      revision: 1n,
      occurredAt: timestampFromMs(NOW),
      change: {
        case: "upserted",
        value: {
          title: like.title,
          description: like.description,
          categories: [...like.categories],
          images: [{ url: "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQ==" }],
        },
      },
    });
    await sendChanges(platform.bus, [change]);
    await untilIndexed(platform, "corrupt-picture", 1);

    const { items } = await client.similarProducts({ productId: like.id, limit: 10 });
    expect(items.map(({ productId }) => productId)).toContain("corrupt-picture");
    expect(
      await metric(
        platform,
        "encoder",
        "marquetry_encoder_modalities_total",
        'outcome="undecodable"',
      ),
    ).toBe(1);
    const [letter] = await deadLetters(platform.bus, PRODUCT_CHANGES.name, 1);
    expect(letter?.key).toBe("corrupt-picture");
    expect(Buffer.from(letter?.value ?? []).equals(toBinary(ProductChangeSchema, change))).toBe(
      true,
    );
    expect(letter?.headers["marquetry-cause"]).toMatch(/^image: undecodable/);
  });

  test("a removed product is gone from answers within a second and stays gone", async () => {
    const [first, ...others] = firstOf("Women/Bottoms", 8) as [
      CatalogueProduct,
      ...CatalogueProduct[],
    ];
    const request = { productId: others[0]?.id ?? "", limit: 50, includeVariants: true };
    const isAnswered = async (): Promise<boolean> =>
      (await client.similarProducts(request)).items.some(({ productId }) => productId === first.id);
    expect(await isAnswered()).toBe(true);

    const removed = create(ProductChangeSchema, {
      productId: first.id,
      revision: 9n,
      occurredAt: timestampFromMs(NOW),
      change: { case: "removed", value: {} },
    });
    await sendChanges(platform.bus, [removed]);
    await until("the removed product is gone", async () => !(await isAnswered()), 1_000);

    await sendChanges(platform.bus, [toProductChange(first, { revision: 8, occurredAtMs: NOW })]);
    await sendChanges(platform.bus, [
      toProductChange(others[1] as CatalogueProduct, { revision: 2, occurredAtMs: NOW }),
    ]);
    await untilIndexed(platform, (others[1] as CatalogueProduct).id, 2);
    await untilIndexed(platform, first.id, 9);
    expect(await isAnswered()).toBe(false);
  });
});
