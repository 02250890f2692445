/** Modalities that fail: what is tried again, what heals, what ends as a dead letter. */
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DEAD_LETTER_HEADERS } from "@marquetry/backends/event-bus";
import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import type { ConsumedRecord, EventBus, OutgoingRecord } from "@marquetry/backends/event-bus";
import {
  FailureCause,
  ProductChangeSchema,
  ProductEmbeddedSchema,
} from "@marquetry/contracts/events/product_pb";
import type { EmbeddedProduct, ProductSchema } from "@marquetry/contracts/events/product_pb";
import {
  PRODUCT_CHANGES,
  PRODUCT_CHANGES_RETRY,
  PRODUCT_EMBEDDINGS,
  RETRY_HEADERS,
} from "@marquetry/contracts/topics";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { newFolder, removeFolders } from "@marquetry/testing/folders";
import { openEncoders } from "./open-encoders.js";
import { createHarness } from "./harness.js";
import { dataUrl, pixel } from "./pictures.js";
import { createUntil } from "@marquetry/testing/until";

const until = createUntil(20_000, 5);
const DEAD = deadLetterTopic(PRODUCT_CHANGES.name);
const DEAD_AT_LAST = deadLetterTopic(PRODUCT_CHANGES_RETRY.name);
const RED = { url: dataUrl(pixel(255, 0, 0)) };
const BROKEN = { url: "data:,abc" };

const encoders = openEncoders();
const { closeAfterwards, openBus, start: startOn } = createHarness();
let media: string;

beforeAll(async () => {
  media = await newFolder();
});

afterAll(removeFolders);

const start = (bus: EventBus, variables: Record<string, string> = {}) =>
  startOn(bus, encoders, {
    MEDIA_FILE_ROOT: media,
    ENCODER_RETRY_DELAYS: "100ms,100ms",
    ...variables,
  });

/** Everything that arrives in a topic, as it does. */
async function watch(bus: EventBus, topic: string): Promise<ConsumedRecord[]> {
  const seen: ConsumedRecord[] = [];
  const consumer = await bus.consume({
    topic,
    group: randomUUID(),
    async handler(records) {
      seen.push(...records);
      return [];
    },
  });
  closeAfterwards(consumer);
  return seen;
}

function changed(
  productId: string,
  value: MessageInitShape<typeof ProductSchema>,
  revision = 1,
): OutgoingRecord {
  const change = create(ProductChangeSchema, {
    productId,
    revision: BigInt(revision),
    occurredAt: timestampFromMs(1_700_000_000_000),
    change: { case: "upserted", value },
  });
  return { key: productId, value: toBinary(ProductChangeSchema, change) };
}

function embeddedOf({ value }: ConsumedRecord): EmbeddedProduct {
  const { state } = fromBinary(ProductEmbeddedSchema, value);
  if (state.case !== "embedded") throw new Error(`is ${state.case}`);
  return state.value;
}

const encodedIn = (record: ConsumedRecord) =>
  embeddedOf(record).embeddings.map(({ modality }) => modality);
const causeOf = (letter: ConsumedRecord | undefined) => letter?.headers[DEAD_LETTER_HEADERS.cause];

describe("a modality that failed", () => {
  test("is tried again later, and its success heals the same revision of the product", async () => {
    const bus = await openBus();
    const { metric } = await start(bus);
    const events = await watch(bus, PRODUCT_EMBEDDINGS.name);
    const letters = [await watch(bus, DEAD), await watch(bus, DEAD_AT_LAST)];
    const path = join(media, `${randomUUID()}.gif`);
    const images = [{ url: pathToFileURL(path).href }];
    await bus.publish(PRODUCT_CHANGES.name, [changed("p1", { title: "red", images }, 7)]);
    await until("the product goes on without its picture", () => events.length === 1);
    expect(encodedIn(events[0]!)).toEqual(["text"]);
    expect(embeddedOf(events[0]!).failed).toMatchObject([{ cause: FailureCause.NOT_FOUND }]);

    await writeFile(path, pixel(255, 0, 0));
    await until("the product has its picture", () =>
      events.some((event) => encodedIn(event).includes("image")),
    );
    const healed = events.at(-1)!;
    expect(encodedIn(healed)).toEqual(["text", "image"]);
    expect(fromBinary(ProductEmbeddedSchema, healed.value).revision).toBe(7n);
    expect(healed.partition).toBe(events[0]!.partition);
    // Else compaction would keep one of the two only, and not always the better one.
    expect(healed.key).not.toBe(events[0]!.key);
    await until("it is counted", async () => (await metric("products_healed_total")) === 1);
    expect(letters.flat()).toEqual([]);
  });

  test("at every attempt is dead-lettered after the last one, once, with its cause and bytes", async () => {
    const bus = await openBus();
    const { metric } = await start(bus);
    const events = await watch(bus, PRODUCT_EMBEDDINGS.name);
    const first = await watch(bus, DEAD);
    const last = await watch(bus, DEAD_AT_LAST);
    const record = changed("p1", { title: "poison", images: [RED] });
    await bus.publish(PRODUCT_CHANGES.name, [record]);
    await until("it is dead-lettered", () => last.length === 1);
    expect(causeOf(last[0])).toMatch(/^text: encoder: ./);
    expect(Array.from(last[0]!.value)).toEqual(Array.from(record.value));
    expect(last[0]!.headers[RETRY_HEADERS.attempt]).toBe("2");
    expect(events).toHaveLength(3);
    expect(await metric("retries_planned_total")).toBe(2);
    expect(first).toEqual([]);
  });

  test("for good is dead-lettered at once, beside one that is tried again", async () => {
    const bus = await openBus();
    await start(bus);
    const first = await watch(bus, DEAD);
    const last = await watch(bus, DEAD_AT_LAST);
    const retries = await watch(bus, PRODUCT_CHANGES_RETRY.name);
    await bus.publish(PRODUCT_CHANGES.name, [changed("p1", { title: "poison", images: [BROKEN] })]);
    await until("the picture is dead-lettered", () => first.length === 1);
    expect(causeOf(first[0])).toMatch(/^image: undecodable: [^;]*$/);
    await until("the text is dead-lettered", () => last.length === 1);
    expect(causeOf(last[0])).toMatch(/^text: encoder: [^;]*$/);
    expect(retries.map(({ headers }) => headers[RETRY_HEADERS.modalities])).toEqual([
      "text",
      "text",
    ]);
  });

  test("is not tried again where the operator wants none", async () => {
    const bus = await openBus();
    await start(bus, { ENCODER_RETRY_DELAYS: "none" });
    const first = await watch(bus, DEAD);
    const retries = await watch(bus, PRODUCT_CHANGES_RETRY.name);
    await bus.publish(PRODUCT_CHANGES.name, [changed("p1", { title: "poison" })]);
    await until("it is dead-lettered", () => first.length === 1);
    expect(causeOf(first[0])).toMatch(/^text: encoder: /);
    expect(retries).toEqual([]);
  });

  test("that came as JSON is tried again as JSON", async () => {
    const bus = await openBus();
    await start(bus);
    const last = await watch(bus, DEAD_AT_LAST);
    const { value, key } = changed("p1", { title: "poison" });
    const json = toJsonString(ProductChangeSchema, fromBinary(ProductChangeSchema, value));
    await bus.publish(PRODUCT_CHANGES.name, [
      {
        key,
        value: new TextEncoder().encode(json),
        headers: { "content-type": "application/json", traceparent: "00-1-2-01" },
      },
    ]);
    await until("it is dead-lettered", () => last.length === 1);
    expect(causeOf(last[0])).toMatch(/^text: encoder: /);
    expect(last[0]?.headers).toMatchObject({ traceparent: "00-1-2-01" });
  });

  test("and waits for an hour holds up no other product, no other retry, no readiness and no end", async () => {
    const bus = await openBus();
    const { close, metric, ready } = await start(bus, { ENCODER_RETRY_DELAYS: "1h" });
    const events = await watch(bus, PRODUCT_EMBEDDINGS.name);
    const names = Array.from({ length: 200 }, (_, i) => `p${i}`);
    await bus.publish(PRODUCT_CHANGES.name, [
      ...names.map((name) => changed(name, { title: "poison" })),
      ...names.map((name) => changed(name, { title: "mat" }, 2)),
    ]);
    // One of another wait, as after a change of the setting; its time has come.
    const due = changed("due", { title: "bag" });
    await bus.publish(PRODUCT_CHANGES_RETRY.name, [
      {
        ...due,
        partitionKey: "re-2",
        headers: { [RETRY_HEADERS.notBefore]: "1", [RETRY_HEADERS.attempt]: "2" },
      },
    ]);
    await until("all products are through", () => events.length === 401);
    await until("all wait", async () => (await metric("retries_waiting_records")) === 200);
    expect(await ready()).toBe(200);
    expect(events.filter(({ key }) => key.startsWith("due"))).toHaveLength(1);
    const startMs = Date.now();
    await close();
    expect(Date.now() - startMs).toBeLessThan(5_000);
  });
});

describe("modalities apart", () => {
  test("each deployment speaks for its own, under a key of its own, and tries its own again", async () => {
    const bus = await openBus();
    const text = await start(bus, { ENCODER_MODALITIES: "text" });
    const image = await start(bus, { ENCODER_MODALITIES: "image" });
    const events = await watch(bus, PRODUCT_EMBEDDINGS.name);
    const last = await watch(bus, DEAD_AT_LAST);
    await bus.publish(PRODUCT_CHANGES.name, [
      changed("good", { title: "red", images: [RED] }),
      changed("bad", { title: "poison", images: [RED] }),
    ]);
    await until("the bad text is given up", () => last.length === 1);
    await until("both deployments have published everything", () => events.length === 6);
    const published = events.map((event) => {
      const { modalities, embeddings, failed, absent } = embeddedOf(event);
      const endings = [embeddings.length, failed.length, absent.length].join();
      return [event.key.split("\u001f").join(" | "), modalities.join(), endings].join(": ");
    });
    expect(published.toSorted()).toEqual([
      "bad | image: image: 1,0,0",
      "bad | text | retry 1: text: 0,1,0",
      "bad | text | retry 2: text: 0,1,0",
      "bad | text: text: 0,1,0",
      "good | image: image: 1,0,0",
      "good | text: text: 1,0,0",
    ]);
    for (const product of ["good", "bad"]) {
      const ours = events.filter(({ key }) => key.startsWith(product));
      expect(new Set(ours.map(({ partition }) => partition)).size).toBe(1);
    }
    expect([
      await text.metric("retries_planned_total"),
      await image.metric("retries_planned_total"),
    ]).toEqual([2, 0]);
  });
});
