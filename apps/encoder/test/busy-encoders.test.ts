/** The service while its encoders are busy, or die. */
import { randomUUID } from "node:crypto";
import { Worker } from "node:worker_threads";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { EventBus, OutgoingRecord } from "@marquetry/backends/event-bus";
import { openEncoder } from "@marquetry/inference/open-encoder";
import type { Encoder } from "@marquetry/inference/encoder";
import type { EncoderOptions } from "@marquetry/inference/open-encoder";
import { writeImageEncoder } from "@marquetry/testing/tiny-encoders";
import { removeFolders } from "@marquetry/testing/folders";
import { ProductChangeSchema, ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import { PRODUCT_CHANGES, PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";
import { afterAll, describe, expect, test } from "@jest/globals";
import { createHarness } from "./harness.js";
import { dataUrl, pixel } from "./pictures.js";
import { createUntil } from "@marquetry/testing/until";

const until = createUntil(60_000, 10);
const { closeAfterwards, openBus, start: startOn } = createHarness();
afterAll(removeFolders);

const brokers = process.env["KAFKA_BROKERS"] ?? "";
const buses: [name: string, url: () => string][] = [["memory", () => "memory:"]];
if (brokers === "") console.warn("SKIPPED: busy encoders on Kafka; KAFKA_BROKERS names one");
else buses.push(["Kafka", () => `kafka://${brokers}?prefix=t${randomUUID().slice(0, 8)}.`]);

async function openImages(startWorker?: EncoderOptions["startWorker"]): Promise<Encoder> {
  const encoder = await openEncoder({
    directory: await writeImageEncoder(),
    workers: 1,
    ...(startWorker === undefined ? {} : { startWorker }),
  });
  return closeAfterwards(encoder);
}

/** Starts the service; what it published, and its metrics. */
async function start(bus: EventBus, image: Encoder) {
  const { ready, metric } = await startOn(bus, new Map([["image", image]]));
  const encoded: string[] = [];
  const consumer = await bus.consume({
    topic: PRODUCT_EMBEDDINGS.name,
    group: randomUUID(),
    async handler(records) {
      for (const { value } of records) {
        const { productId, state } = fromBinary(ProductEmbeddedSchema, value);
        if (state.case === "embedded" && state.value.embeddings.length === 1)
          encoded.push(productId);
      }
      return [];
    },
  });
  closeAfterwards(consumer);
  return { encoded, ready, metric };
}

function products(count: number): OutgoingRecord[] {
  return Array.from({ length: count }, (_, at) => {
    const url = dataUrl(pixel(at & 0xff, at >> 8, 7));
    const change = create(ProductChangeSchema, {
      productId: `p${at}`,
      revision: 1n,
      occurredAt: timestampFromMs(1_700_000_000_000),
      change: { case: "upserted", value: { images: [{ url }] } },
    });
    return { key: `p${at}`, value: toBinary(ProductChangeSchema, change) };
  });
}

const ids = (count: number) => Array.from({ length: count }, (_, at) => `p${at}`).toSorted();

describe.each(buses)("on %s", (_, url) => {
  test("a worker that dies mid-batch is replaced, and its batch is encoded once", async () => {
    const started: Worker[] = [];
    let kills = 1;
    const image = await openImages((file, options) => {
      const worker = new Worker(file, options);
      const send = worker.postMessage.bind(worker);
      // A task that throws where nothing catches; not `terminate()`, which aborts the process.
      worker.postMessage = (message, transfer) => {
        const deadly = (message as { kind: string }).kind === "encode" && kills > 0;
        if (deadly) kills -= 1;
        if (deadly) send({ kind: "encode", contents: null });
        else send(message, transfer as never);
      };
      started.push(worker);
      return worker;
    });
    const bus = await openBus(url());
    const { encoded, metric } = await start(bus, image);
    await bus.publish(PRODUCT_CHANGES.name, products(100));
    await until("all are encoded", () => encoded.length >= 100);
    await until("nothing is left", async () => (await metric("consumer_lag_records")) === 0);
    expect(encoded.toSorted()).toEqual(ids(100));
    expect(started).toHaveLength(2);
    expect(image.encodedTotal()).toBe(100);
    for (const name of ["dead_letters_total", "batch_retries_total", "retries_planned_total"])
      expect(await metric(name)).toBe(0);
  });

  test("while the encoder is busy no more is fetched, the service is ready, and nothing is lost", async () => {
    const real = await openImages();
    const gate = Promise.withResolvers<void>();
    let held = 0;
    const busy: Encoder = {
      ...real,
      async encode(contents, options) {
        held += contents.length;
        await gate.promise;
        return real.encode(contents, options);
      },
    };
    const bus = await openBus(url());
    const { encoded, metric, ready } = await start(bus, busy);
    await bus.publish(PRODUCT_CHANGES.name, products(2_000));
    await until("the consumers pause", async () => (await metric("consumer_pauses_total")) === 1);
    expect(await ready()).toBe(200);
    // Three groups of eight pictures; what the consumers hold waits unread.
    expect(held).toBeLessThanOrEqual(24);
    expect(encoded).toEqual([]);
    gate.resolve();
    await until("all are encoded", () => encoded.length >= 2_000);
    expect(encoded.toSorted()).toEqual(ids(2_000));
    expect(await metric("batch_retries_total")).toBe(0);
  });
});
