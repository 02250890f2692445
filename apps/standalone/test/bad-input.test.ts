/** Bad input is answered with the field that is wrong, or dead-lettered with its cause; what stands
 * beside it goes on. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { status } from "@grpc/grpc-js";
import { toBinary } from "@bufbuild/protobuf";
import { productCollection } from "@marquetry/backends/product-index";
import { Action } from "@marquetry/contracts/events/clickstream_pb";
import { CLICKSTREAM, PRODUCT_CHANGES } from "@marquetry/contracts/topics";
import type { Platform } from "../src/platform.js";
import { toProductChange } from "../src/catalogue.js";
import type { CatalogueProduct } from "../src/catalogue.js";
import { createRecommendationClient } from "../src/recommendation-client.js";
import type { RecommendationClient } from "../src/recommendation-client.js";
import {
  deadLetters,
  deployments,
  endJourney,
  interaction,
  sendChanges,
  sendEvents,
  startJourney,
  untilHistory,
  untilIndexed,
  untilSettled,
} from "./harness.js";

const NOW = Date.now();
const START_MS_MAX = 120_000;
const MIB = 1_048_576;

const lamp: CatalogueProduct = {
  id: "lamp",
  title: "Reading lamp",
  description: "A lamp for the desk",
  categories: ["Home/Lamps"],
  brand: "Lux",
  price: 20,
  currency: "EUR",
  image: undefined,
  groupId: "",
};

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const time = (ms: number): string => new Date(ms).toISOString();
const changeOf = (more: object, upserted: object = { title: "x" }): object => ({
  productId: "bad",
  revision: "1",
  occurredAt: time(NOW),
  upserted,
  ...more,
});
const eventOf = (more: object, interacted: object = {}): object => ({
  eventId: "bad",
  userId: "bad",
  occurredAt: time(NOW),
  interaction: { productId: "lamp", action: "ACTION_VIEW", ...interacted },
  ...more,
});

/** What is wrong, the bytes, and the beginning of the cause. */
const badChanges: [string, Uint8Array, RegExp][] = [
  [
    "bytes that are no protobuf",
    Uint8Array.of(0xff, 0xff, 0x01),
    /^expected marquetry\.events\.v1\.ProductChange in binary/,
  ],
  [
    "broken JSON",
    Buffer.from('{"productId": '),
    /^expected marquetry\.events\.v1\.ProductChange in its JSON mapping/,
  ],
  ["no product id", json(changeOf({ productId: "" })), /^product_id: /],
  [
    "a control character in the product id",
    json(changeOf({ productId: "a\u0007b" })),
    /^product_id: /,
  ],
  ["no revision", json(changeOf({ revision: "0" })), /^revision: /],
  [
    "a price that is not a number",
    json(changeOf({}, { title: "x", price: "NaN" })),
    /^upserted\.price: /,
  ],
  ["a negative price", json(changeOf({}, { title: "x", price: -1 })), /^upserted\.price: /],
  ["a time in the future", json(changeOf({ occurredAt: time(NOW + 3_600_000) })), /^occurred_at: /],
  ["neither product nor removal", json({ ...changeOf({}), upserted: undefined }), /^change: /],
  [
    "a description of 10 MB",
    json(changeOf({}, { description: "x".repeat(10 * MIB) })),
    /^upserted\.description: /,
  ],
];

const badEvents: [string, Uint8Array, RegExp][] = [
  [
    "bytes that are no protobuf",
    Uint8Array.of(0x0a, 0xff),
    /^expected marquetry\.events\.v1\.ClickstreamEvent in binary/,
  ],
  ["an unknown action", json(eventOf({}, { action: "ACTION_STARE" })), /ACTION_STARE/],
  ["no action", json(eventOf({}, { action: undefined })), /^interaction\.action: /],
  ["no product", json(eventOf({}, { productId: "" })), /^interaction\.product_id: /],
  ["a control character in the user id", json(eventOf({ userId: "a\u0000b" })), /^user_id: /],
  ["a time in the future", json(eventOf({ occurredAt: time(NOW + 3_600_000) })), /^occurred_at: /],
  ["no event id", json(eventOf({ eventId: "" })), /^event_id: /],
];

describe.each(deployments())("bad input on %s", (_, servers) => {
  let platform: Platform;
  let client: RecommendationClient;

  beforeAll(async () => {
    platform = await startJourney(servers);
    client = createRecommendationClient(platform.grpcPort);
  }, START_MS_MAX);

  afterAll(async () => {
    client?.close();
    if (platform !== undefined) await endJourney(platform);
  });

  test("an empty catalogue answers with nothing", async () => {
    const { items } = await client.recommend({ userId: "early", limit: 10 });
    expect(items).toEqual([]);
  });

  test("bad product changes are dead-lettered with their cause and bytes; their batch goes on", async () => {
    // One key, so that good and bad ones share a partition and a batch.
    const good = (revision: number) =>
      toBinary(PRODUCT_CHANGES.schema, toProductChange(lamp, { revision, occurredAtMs: NOW }));
    const records = badChanges.flatMap(([, value], at) => [
      { key: "lamp", value: good(at + 1) },
      { key: "lamp", value },
    ]);
    await platform.bus.publish(PRODUCT_CHANGES.name, [
      ...records,
      { key: "lamp", value: good(100) },
    ]);
    await untilIndexed(platform, "lamp", 100);
    const letters = await deadLetters(platform.bus, PRODUCT_CHANGES.name, badChanges.length);
    expect(letters).toHaveLength(badChanges.length);
    for (const [at, [what, value, cause]] of badChanges.entries()) {
      const letter = letters[at];
      expect([what, letter?.headers["marquetry-cause"]]).toEqual([
        what,
        expect.stringMatching(cause),
      ]);
      expect(Buffer.from(letter?.value ?? []).equals(value)).toBe(true);
      expect(letter?.headers["marquetry-source-offset"]).toMatch(/^\d+$/);
      expect(letter?.headers["marquetry-source-partition"]).toMatch(/^\d+$/);
    }
  });

  test("bad clickstream events are dead-lettered; the user's other events count", async () => {
    const good = [
      interaction("visitor", "lamp"),
      interaction("visitor", "lamp", { action: Action.CLICK }),
    ];
    const [first, last] = good.map((event) => toBinary(CLICKSTREAM.schema, event)) as [
      Uint8Array,
      Uint8Array,
    ];
    await platform.bus.publish(CLICKSTREAM.name, [
      { key: "visitor", value: first },
      ...badEvents.map(([, value]) => ({ key: "visitor", value })),
      { key: "visitor", value: last },
    ]);
    await untilHistory(platform, "visitor", 2);
    const letters = await deadLetters(platform.bus, CLICKSTREAM.name, badEvents.length);
    expect(letters.map(({ headers }) => headers["marquetry-cause"])).toEqual(
      badEvents.map(([, , cause]) => expect.stringMatching(cause)),
    );
  });

  test("a revision that goes back is ignored", async () => {
    await sendChanges(platform.bus, [
      toProductChange({ ...lamp, title: "Older" }, { revision: 99, occurredAtMs: NOW }),
    ]);
    await sendChanges(platform.bus, [
      toProductChange({ ...lamp, id: "desk" }, { revision: 1, occurredAtMs: NOW }),
    ]);
    await untilIndexed(platform, "desk", 1);
    await untilSettled(platform);
    const stored = await platform.index.retrieve(
      productCollection(platform.bundle.id),
      ["lamp"],
      [],
    );
    expect(stored.get("lamp")?.payload).toMatchObject({ revision: 100, title: lamp.title });
  });

  test("JSON with a content type is read like protobuf", async () => {
    const value = json(changeOf({ productId: "shade" }, { title: "Lamp shade", price: 5 }));
    const headers = { "content-type": "application/json; charset=utf-8" };
    await platform.bus.publish(PRODUCT_CHANGES.name, [{ key: "shade", value, headers }]);
    await untilIndexed(platform, "shade", 1);
  });

  test.each<[string, Parameters<RecommendationClient["recommend"]>[0], RegExp]>([
    ["limit 0", { userId: "u", limit: 0 }, /^limit: /],
    ["limit 10,000", { userId: "u", limit: 10_000 }, /^limit: /],
    ["no user id", { userId: "", limit: 5 }, /^user_id: /],
    ["a control character in the user id", { userId: "a\nb", limit: 5 }, /^user_id: /],
    [
      "an unknown category",
      { userId: "u", limit: 5, filter: { categories: ["Nowhere"] } },
      /^filter\.categories\[0\]: /,
    ],
    [
      "a price that is not a number",
      { userId: "u", limit: 5, filter: { priceMin: Number.NaN } },
      /^filter\.price_min: /,
    ],
    [
      "an empty price range",
      { userId: "u", limit: 5, filter: { priceMin: 2, priceMax: 1 } },
      /^filter\.price_min: /,
    ],
  ])("%s is INVALID_ARGUMENT and names the field", async (_what, request, details) => {
    await expect(client.recommend(request)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(details),
    });
  });

  test("an unknown product is NOT_FOUND", async () => {
    const answer = client.similarProducts({ productId: "nothing", limit: 5 });
    await expect(answer).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: expect.stringMatching(/^product_id: /),
    });
  });

  test("after all of it the platform still learns and answers", async () => {
    await sendEvents(platform.bus, [interaction("visitor", "shade", { action: Action.PURCHASE })]);
    await untilHistory(platform, "visitor", 3);
    const { items } = await client.recommend({
      userId: "visitor",
      limit: 5,
      filter: { categories: ["Home"] },
    });
    expect(items.map(({ productId }) => productId).sort()).toEqual(["desk", "lamp"]);
  });
});
