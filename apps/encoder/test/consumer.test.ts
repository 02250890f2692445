import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DEAD_LETTER_HEADERS } from "@marquetry/backends/event-bus";
import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import type { ConsumedRecord, EventBus, OutgoingRecord } from "@marquetry/backends/event-bus";
import { ProductChangeSchema, ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded, ProductSchema } from "@marquetry/contracts/events/product_pb";
import { CLICKSTREAM, PRODUCT_CHANGES, PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";
import { MarquetryError } from "@marquetry/runtime/errors";
import { firstRecords } from "@marquetry/testing/topic-records";
import { createUntil } from "@marquetry/testing/until";
import { describe, expect, test } from "@jest/globals";
import { openEncoders } from "./open-encoders.js";
import { createHarness } from "./harness.js";
import { dataUrl, pixel } from "./pictures.js";

const until = createUntil(20_000, 10);
const DEAD = deadLetterTopic(PRODUCT_CHANGES.name);
const RED = { url: dataUrl(pixel(255, 0, 0)) };

const encoders = openEncoders();
const { openBus, start: startOn } = createHarness();
const start = (bus: EventBus) => startOn(bus, encoders);

const take = (bus: EventBus, topic: string, count: number): Promise<ConsumedRecord[]> =>
  firstRecords(bus, topic, count, until);

function changed(
  productId: string,
  product: MessageInitShape<typeof ProductSchema>,
  { revision = 1, headers = {} }: { revision?: number; headers?: Record<string, string> } = {},
): OutgoingRecord {
  const change = create(ProductChangeSchema, {
    productId,
    revision: BigInt(revision),
    occurredAt: timestampFromMs(1_700_000_000_000),
    change: { case: "upserted", value: product },
  });
  return { key: productId, value: toBinary(ProductChangeSchema, change), headers };
}

const embeddedOf = (record: ConsumedRecord): ProductEmbedded =>
  fromBinary(ProductEmbeddedSchema, record.value);
const revisionsOf = (records: readonly ConsumedRecord[]): number[] =>
  records.map((record) => Number(embeddedOf(record).revision));
const idsOf = (records: readonly ConsumedRecord[]): string[] =>
  records.map((record) => embeddedOf(record).productId);

describe("product changes", () => {
  test("arrive as embeddings under the product's key, with their trace and no other header", async () => {
    const bus = await openBus();
    await start(bus);
    const trace = {
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "a=1",
    };
    await bus.publish(PRODUCT_CHANGES.name, [
      changed("p1", { title: "red shoe", images: [RED] }, { headers: { ...trace, "x-shop": "s" } }),
    ]);
    const [record] = await take(bus, PRODUCT_EMBEDDINGS.name, 1);
    expect(record).toMatchObject({ key: "p1", headers: trace });
    expect(record?.headers).not.toHaveProperty("x-shop");
    const { state } = embeddedOf(record!);
    expect(state).toMatchObject({ case: "embedded", value: { absent: [], failed: [] } });
  });

  test("are read as JSON too, by header or by their first byte", async () => {
    const bus = await openBus();
    await start(bus);
    const json = (productId: string): Uint8Array =>
      new TextEncoder().encode(
        `{"productId":"${productId}","revision":1,"occurredAt":"2026-01-01T00:00:00Z","removed":{}}`,
      );
    await bus.publish(PRODUCT_CHANGES.name, [
      { key: "p1", value: json("p1"), headers: { "content-type": "application/json" } },
      { key: "p2", value: json("p2") },
    ]);
    const records = await take(bus, PRODUCT_EMBEDDINGS.name, 2);
    expect(idsOf(records).toSorted()).toEqual(["p1", "p2"]);
    expect(embeddedOf(records[0]!).state.case).toBe("removed");
  });

  test("that are wrong become dead letters that name the field, and the others pass", async () => {
    const bus = await openBus();
    await start(bus);
    const key = "same";
    const records = [
      changed("p1", { title: "red" }),
      changed("p2", { title: "red", price: -1 }),
      { key, value: Uint8Array.of(0xff, 0xff) },
      changed("p3", { title: "mat" }),
    ].map(({ value }) => ({ key, value }));
    await bus.publish(PRODUCT_CHANGES.name, records);
    const dead = await take(bus, DEAD, 2);
    expect(dead.map(({ headers }) => headers[DEAD_LETTER_HEADERS.cause])).toEqual([
      "upserted.price: must be greater than or equal to 0",
      expect.stringContaining("expected marquetry.events.v1.ProductChange in binary protobuf"),
    ]);
    expect(dead.map(({ headers }) => headers[DEAD_LETTER_HEADERS.offset])).toEqual(["1", "2"]);
    expect(dead.map(({ value }) => Array.from(value))).toEqual(
      [records[1]!, records[2]!].map(({ value }) => Array.from(value)),
    );
    const passed = await take(bus, PRODUCT_EMBEDDINGS.name, 2);
    expect(idsOf(passed).toSorted()).toEqual(["p1", "p3"]);
  });

  test("whose picture fails go on without it, and become dead letters for mending", async () => {
    const bus = await openBus();
    await start(bus);
    const record = changed("p1", { title: "red", images: [{ url: "data:,abc" }] });
    await bus.publish(PRODUCT_CHANGES.name, [record]);
    const [letter] = await take(bus, DEAD, 1);
    expect(letter?.headers[DEAD_LETTER_HEADERS.cause]).toMatch(/^image: undecodable: ./);
    expect(Array.from(letter!.value)).toEqual(Array.from(record.value));
    const [event] = await take(bus, PRODUCT_EMBEDDINGS.name, 1);
    expect(embeddedOf(event!).state).toMatchObject({
      case: "embedded",
      value: { embeddings: [{ modality: "text" }], failed: [{ modality: "image" }] },
    });
  });

  test("with an address of 1 MB that is refused still go on", async () => {
    const bus = await openBus();
    await start(bus);
    const url = `http://${"a".repeat(1_100_000)}/1.png`;
    await bus.publish(PRODUCT_CHANGES.name, [changed("p1", { title: "red", images: [{ url }] })]);
    expect(idsOf(await take(bus, PRODUCT_EMBEDDINGS.name, 1))).toEqual(["p1"]);
  });

  test("are not lost where the bus takes no embeddings for a while", async () => {
    const bus = await openBus();
    let outages = 3;
    const failing: EventBus = {
      ...bus,
      async publish(topic, records) {
        // The last time the records get there, but not the answer.
        if (outages === 1) await bus.publish(topic, records);
        outages -= 1;
        if (outages >= 0) throw new MarquetryError("unavailable", "the bus is unavailable");
        await bus.publish(topic, records);
      },
    };
    const before = encoders.get("text")!.encodedTotal();
    const { metrics } = await start(failing);
    const sent = [1, 2, 3].map((revision) =>
      changed("p1", { title: `bag ${revision}` }, { revision }),
    );
    await bus.publish(PRODUCT_CHANGES.name, sent);
    const events = await take(bus, PRODUCT_EMBEDDINGS.name, 6);
    expect(revisionsOf(events)).toEqual([1, 2, 3, 1, 2, 3]);
    expect(Array.from(events[3]!.value)).toEqual(Array.from(events[0]!.value));
    expect(encoders.get("text")!.encodedTotal() - before).toBe(3);
    expect(await metrics()).toContain("marquetry_encoder_batch_retries_total 3\n");
    expect(await metrics()).toContain("marquetry_encoder_dead_letters_total 0\n");
  });

  test("by the thousand pass in order, and no batch overloads an encoder", async () => {
    const bus = await openBus();
    const revisions = Array.from({ length: 1_500 }, (_, i) => i + 1);
    await bus.publish(
      PRODUCT_CHANGES.name,
      revisions.map((revision) => changed("p1", { title: `shoe ${revision}` }, { revision })),
    );
    const { metrics } = await start(bus);
    const events = await take(bus, PRODUCT_EMBEDDINGS.name, revisions.length);
    expect(revisionsOf(events)).toEqual(revisions);
    expect(await metrics()).toContain("marquetry_encoder_batch_retries_total 0\n");
  });
});

describe("the service", () => {
  test("goes on after a restart where it stopped: nothing twice, nothing lost", async () => {
    const bus = await openBus();
    const first = await start(bus);
    await bus.publish(PRODUCT_CHANGES.name, [changed("p1", { title: "red" })]);
    await take(bus, PRODUCT_EMBEDDINGS.name, 1);
    await first.close();
    await bus.publish(PRODUCT_CHANGES.name, [changed("p1", { title: "blue" })]);
    await start(bus);
    await bus.publish(PRODUCT_CHANGES.name, [changed("p1", { title: "mat" })]);
    const events = await take(bus, PRODUCT_EMBEDDINGS.name, 3);
    expect(
      events.map((event) => {
        const { state } = embeddedOf(event);
        return state.case === "embedded" ? state.value.attributes?.title : state.case;
      }),
    ).toEqual(["red", "blue", "mat"]);
  });

  test("that cannot join its group fails to start with the reason", async () => {
    const bus = await openBus();
    await bus.consume({
      topic: CLICKSTREAM.name,
      group: "marquetry-encoder",
      handler: async () => [],
    });
    await expect(start(bus)).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringContaining("marquetry-encoder"),
    });
  });
});
