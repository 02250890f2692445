/** The service on a bus: dead letters, an index that is unavailable, start and end. */
import { afterEach, describe, expect, test } from "@jest/globals";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DEAD_LETTER_HEADERS } from "@marquetry/backends/event-bus";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import { productCollection } from "@marquetry/backends/product-index";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { MarquetryError } from "@marquetry/runtime/errors";
import { startService } from "@marquetry/runtime/lifecycle";
import { createLogger } from "@marquetry/runtime/logger";
import { startFusion } from "../src/fusion.module.js";
import type { FusionPorts } from "../src/ports.js";
import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import { firstRecords } from "@marquetry/testing/topic-records";
import { Gate, gated } from "@marquetry/testing/gate";
import { killProcesses, runNode } from "@marquetry/testing/node-process";
import { createUntil } from "@marquetry/testing/until";

const bundle = await zeroShotBundle({ text: { encoder: "words", dims: 4 } }, { dims: 4 });
const collection = productCollection(bundle.id);
const until = createUntil(10_000, 5);

interface Harness {
  readonly bus: EventBus;
  readonly index: ProductIndex;
  readonly health: string;
  /** Between the service and the index; the test passes by. */
  readonly gates: Readonly<Record<"calls" | "pings", Gate>>;
}

/** What a test opened, closed in the reverse order even where the test fails. */
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function newGate(): Gate {
  return new Gate(new MarquetryError("unavailable", "the index does not answer"));
}

async function startHarness(): Promise<Harness> {
  const bus = openEventBus("memory:", {
    clientId: "test",
    logger: createLogger("test", "silent"),
  });
  closers.push(() => bus.close());
  const index = openProductIndex("memory:");
  const gates = { calls: newGate(), pings: newGate() };
  const health = await start({
    bundle,
    bus,
    index: gated(index, {
      retrieve: [gates.calls],
      upsert: [gates.calls],
      ping: [gates.pings],
    }),
  });
  return { bus, index, gates, health };
}

/** Starts the service, and returns the address of its health server. */
async function start(ports: FusionPorts): Promise<string> {
  const service = await startService(
    "fusion",
    { HTTP_PORT: 0, LOG_LEVEL: "silent" },
    (_, context) => {
      context.readiness.set("vector index", () => ports.index.ping());
      return startFusion(context, ports);
    },
    (error) => console.error("the service failed:", error),
  );
  closers.push(() => service.close());
  return `http://127.0.0.1:${service.healthPort}`;
}

function embedded(
  productId: string,
  {
    revision = 1,
    price = 1,
    encoder = "words",
    vector = [1, 2, 3, 4],
  }: { revision?: number; price?: number; encoder?: string; vector?: number[] } = {},
): ProductEmbedded {
  const bytes = vectorToBytes(new Float32Array(vector));
  return create(ProductEmbeddedSchema, {
    productId,
    revision: BigInt(revision),
    occurredAt: timestampFromMs(Date.UTC(2026, 0, 1)),
    state: {
      case: "embedded",
      value: {
        attributes: { price },
        embeddings: [{ modality: "text", encoder, digest: "d", vector: bytes }],
      },
    },
  });
}

/** One key, so that all share a partition and a batch. */
async function publish(bus: EventBus, values: readonly (ProductEmbedded | Uint8Array)[]) {
  await bus.publish(
    PRODUCT_EMBEDDINGS.name,
    values.map((value) => ({
      key: "same",
      value: value instanceof Uint8Array ? value : toBinary(ProductEmbeddedSchema, value),
    })),
  );
}

const untilIndexed = (index: ProductIndex, products: number): Promise<void> =>
  until(`${products} products are indexed`, async () => {
    return (await index.count(collection)) === products;
  });

describe("fusion", () => {
  test("what cannot be used is dead-lettered with its cause; the rest of the batch is written", async () => {
    const { bus, index } = await startHarness();
    const foreign = embedded("foreign", { encoder: "letters" });
    await publish(bus, [
      embedded("a"),
      Uint8Array.of(0xff, 0xff),
      foreign,
      embedded("b"),
      embedded("short", { vector: [1] }),
      embedded("strange", { vector: [1, Number.NaN, 0, 0] }),
      embedded("c"),
    ]);
    await untilIndexed(index, 3);
    const letters = await firstRecords(bus, deadLetterTopic(PRODUCT_EMBEDDINGS.name), 4, until);
    expect(letters.map(({ headers }) => headers[DEAD_LETTER_HEADERS.cause])).toEqual([
      expect.stringMatching(/^expected marquetry\.events\.v1\.ProductEmbedded in binary/),
      `text is encoded by letters, bundle ${bundle.id} expects words`,
      "text has 4 bytes, expected 4 float32",
      "text holds a number that is not finite",
    ]);
    expect(letters.map(({ headers }) => headers[DEAD_LETTER_HEADERS.offset])).toEqual([
      "1",
      "2",
      "4",
      "5",
    ]);
    expect(
      Buffer.from(letters[1]?.value ?? []).equals(toBinary(ProductEmbeddedSchema, foreign)),
    ).toBe(true);
    expect([...(await index.retrieve(collection, ["a", "b", "c", "short"], [])).keys()]).toEqual([
      "a",
      "b",
      "c",
    ]);
  });

  test("what the index alone can refuse is dead-lettered alone", async () => {
    const { bus, index } = await startHarness();
    await publish(bus, [embedded("a"), embedded("dear", { price: Infinity }), embedded("b")]);
    await untilIndexed(index, 2);
    const [letter] = await firstRecords(bus, deadLetterTopic(PRODUCT_EMBEDDINGS.name), 1, until);
    expect(letter?.headers[DEAD_LETTER_HEADERS.cause]).toMatch(/price/);
  });

  test("an index that is unavailable for a while costs nothing but time, and shows in /readyz", async () => {
    const { bus, index, gates, health } = await startHarness();
    const ready = async (): Promise<number> => (await fetch(`${health}/readyz`)).status;
    expect(await ready()).toBe(200);
    gates.calls.unavailable = gates.pings.unavailable = true;
    await publish(bus, [embedded("a"), Uint8Array.of(0xff), embedded("b", { revision: 2 })]);
    await until("the batch is being tried again", () => gates.calls.refused > 2);
    expect(await ready()).toBe(503);
    expect(await index.count(collection)).toBe(0);
    gates.calls.unavailable = gates.pings.unavailable = false;
    await untilIndexed(index, 2);
    await until("the service is ready again", async () => (await ready()) === 200);
    expect(
      await firstRecords(bus, deadLetterTopic(PRODUCT_EMBEDDINGS.name), 1, until),
    ).toHaveLength(1);
  });

  test("a new bundle reads the topic from its start into a collection of its own", async () => {
    const { bus, index } = await startHarness();
    await publish(bus, [embedded("a"), embedded("b")]);
    await untilIndexed(index, 2);
    const next = { ...bundle, id: `${bundle.id}-next` };
    await start({ bundle: next, bus, index });
    await until("the new collection has both", async () => {
      return (await index.count(productCollection(next.id))) === 2;
    });
  });
});

describe("the process", () => {
  afterEach(killProcesses);

  test("wrong variables end it with status 2 and one line per mistake", async () => {
    const variables = {
      EVENT_BUS_URL: "amqp://somewhere",
      HTTP_PORT: "eighty",
      SHUTDOWN_SECONDS: "0",
    };
    const { code, err } = await runNode(new URL("../src/main.js", import.meta.url), variables)
      .ended;
    expect(code).toBe(2);
    expect(err.trimEnd().split("\n").sort()).toEqual([
      expect.stringMatching(/^EVENT_BUS_URL: .*kafka: or memory:.*amqp/),
      expect.stringMatching(/^HTTP_PORT: .*0 to 65535.*eighty/),
      expect.stringMatching(/^SHUTDOWN_SECONDS: .*1 to 600/),
      expect.stringMatching(/^VECTOR_INDEX_URL: .*not set/),
    ]);
  });
});
