import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MarquetryError } from "@marquetry/runtime/errors";
import { createUntil } from "@marquetry/testing/until";
import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import { DEAD_LETTER_HEADERS } from "./event-bus.js";
import type {
  BatchHandler,
  ConsumedRecord,
  ConsumeOptions,
  Consumer,
  EventBus,
  OutgoingRecord,
  Rejection,
} from "./event-bus.js";

const DEADLINE_MS = 60_000;

/** Drain time with which `open` is to open the bus, short enough for a test to outlast it. */
export const CONTRACT_DRAIN_MS = 500;

/** What every implementation of the bus promises; `open` opens a client of it. */
export function describeEventBus(name: string, open: () => Promise<EventBus>): void {
  describe(`event bus on ${name}`, () => {
    let bus: EventBus;
    beforeAll(async () => {
      bus = await open();
    });
    afterAll(() => bus.close());
    publishing(() => bus);
    consuming(() => bus);
    groupsOfConsumers(() => bus);
    failingHandlers(() => bus);
    test("a closed bus refuses to work and closes again without harm", () => closedBus(open));
  });
}

// --- Tools --------------------------------------------------------------------------------------

const until = createUntil(DEADLINE_MS, 5);

async function newTopic(bus: EventBus, partitions = 3, recordBytesMax = 100_000): Promise<string> {
  const name = `contract-${randomUUID()}`;
  await bus.ensureTopics([{ name, partitions, recordBytesMax }]);
  return name;
}

function outgoing(key: string, text: string): OutgoingRecord {
  return { key, value: Buffer.from(text) };
}

function textOf({ value }: ConsumedRecord): string {
  return Buffer.from(value).toString();
}

function nothingRejected(): Promise<readonly Rejection[]> {
  return Promise.resolve([]);
}

interface Reader {
  readonly consumer: Consumer;
  readonly records: ConsumedRecord[];
}

/** A consumer with the records that its handler has settled. */
async function read(
  bus: EventBus,
  topic: string,
  options: Partial<ConsumeOptions> = {},
): Promise<Reader> {
  const records: ConsumedRecord[] = [];
  const { handler = nothingRejected, ...rest } = options;
  const consumer = await bus.consume({
    topic,
    group: `group-${randomUUID()}`,
    retryPauseMs: 1,
    retryPauseMsMax: 5,
    ...rest,
    handler: async (batch, signal) => {
      const rejections = await handler(batch, signal);
      records.push(...batch);
      return rejections;
    },
  });
  return { consumer, records };
}

/** Everything in a dead-letter topic, once there are `count` letters. */
async function deadLetters(bus: EventBus, topic: string, count: number): Promise<ConsumedRecord[]> {
  const { consumer, records } = await read(bus, deadLetterTopic(topic));
  await until(`${count} dead letters`, () => records.length >= count);
  await until("the end of the dead letters", async () => (await consumer.lag()) === 0n);
  await consumer.close();
  return records;
}

function expectOrdered(records: readonly ConsumedRecord[]): void {
  const next = new Map<number, bigint>();
  for (const { partition, offset } of records) {
    expect(offset).toBe(next.get(partition) ?? offset);
    next.set(partition, offset + 1n);
  }
}

// --- Guarantees ---------------------------------------------------------------------------------

function publishing(bus: () => EventBus): void {
  test("a topic ensured twice is created once and keeps its records", async () => {
    const topic = await newTopic(bus());
    await bus().publish(topic, [outgoing("k", "kept")]);
    await bus().ensureTopics([{ name: topic, partitions: 3, recordBytesMax: 100_000 }]);
    const { consumer, records } = await read(bus(), topic);
    await until("the record", () => records.length === 1);
    await consumer.close();
  });

  test("a topic without partitions or with a name no bus takes is invalid", async () => {
    for (const spec of [
      { name: "a topic", partitions: 1, recordBytesMax: 10 },
      { name: "t", partitions: 0, recordBytesMax: 10 },
      { name: "t", partitions: 1, recordBytesMax: 0 },
    ]) {
      await expect(bus().ensureTopics([spec])).rejects.toMatchObject({ code: "invalid" });
    }
  });

  test("an unknown topic is invalid, to publish and to consume, and harms no other topic", async () => {
    const unknown = `contract-${randomUUID()}`;
    const record = outgoing("k", "v");
    await expect(bus().publish(unknown, [record])).rejects.toMatchObject({ code: "invalid" });
    await expect(read(bus(), unknown)).rejects.toMatchObject({ code: "invalid" });
    await bus().publish(await newTopic(bus()), [record]);
    await bus().ensureTopics([{ name: unknown, partitions: 1, recordBytesMax: 100 }]);
    await bus().publish(unknown, [record]);
  });

  test("a record at the bound passes; one byte more is invalid and nothing of its batch is published", async () => {
    const topic = await newTopic(bus(), 1, 5_000);
    const atBound = { key: "key", value: new Uint8Array(4_997) };
    const over = { key: "key", value: new Uint8Array(4_998) };
    const first = outgoing("k", "never");
    await expect(bus().publish(topic, [first, over])).rejects.toMatchObject({ code: "invalid" });
    await bus().publish(topic, [atBound, atBound, atBound]);
    const { consumer, records } = await read(bus(), topic);
    await until("three records", () => records.length === 3);
    expect(records.map(({ value }) => value.length)).toEqual([4_997, 4_997, 4_997]);
    await consumer.close();
  });

  test("a record of 1 MiB comes back to the byte", async () => {
    const topic = await newTopic(bus(), 1, 2 * 1024 * 1024);
    const value = Uint8Array.from({ length: 1024 * 1024 }, (_, index) => (index * 7919) >> 3);
    await bus().publish(topic, [{ key: "big", value }]);
    const { consumer, records } = await read(bus(), topic);
    await until("the record", () => records.length === 1);
    expect(Buffer.compare(records[0]?.value ?? new Uint8Array(), value)).toBe(0);
    await consumer.close();
  });

  test("keys, values and headers come back as published, empty ones and foreign scripts too", async () => {
    const topic = await newTopic(bus(), 1);
    const sent: Required<Omit<OutgoingRecord, "partitionKey">>[] = [
      { key: "", value: new Uint8Array(), headers: {} },
      {
        key: "ключ 鍵 🔑",
        value: Uint8Array.of(0xff, 0, 0xfe),
        headers: { "x-ü": "ñ→", empty: "" },
      },
      { key: "plain", value: Buffer.from("text"), headers: { traceparent: "00-1-2-01" } },
    ];
    await bus().publish(topic, sent);
    const { consumer, records } = await read(bus(), topic);
    await until("three records", () => records.length === 3);
    const got = records.map(({ key, value, headers }) => [key, [...value], headers]);
    expect(got).toEqual(sent.map(({ key, value, headers }) => [key, [...value], headers]));
    await consumer.close();
  });

  test("bytes changed after publish returned do not change the record", async () => {
    const topic = await newTopic(bus(), 1);
    const value = Buffer.from("before");
    await bus().publish(topic, [{ key: "k", value }]);
    value.fill("x");
    const { consumer, records } = await read(bus(), topic);
    await until("the record", () => records.length === 1);
    expect(textOf(records[0] as ConsumedRecord)).toBe("before");
    await consumer.close();
  });
}

function consuming(bus: () => EventBus): void {
  test("the extent of a topic is what was published before, partition by partition", async () => {
    const topic = await newTopic(bus(), 3);
    const empty = await bus().extent(topic);
    expect(empty).toEqual([0, 1, 2].map((partition) => ({ partition, first: 0n, next: 0n })));
    await bus().publish(topic, [outgoing("a", "1"), outgoing("a", "2"), outgoing("b", "3")]);
    const extent = await bus().extent(topic);
    const { consumer, records } = await read(bus(), topic);
    await until("the three records", () => records.length === 3);
    await consumer.close();
    for (const { partition, first, next } of extent) {
      const offsets = records.filter((record) => record.partition === partition);
      expect(next - first).toBe(BigInt(offsets.length));
      expect(offsets.at(-1)?.offset ?? -1n).toBe(next - 1n);
    }
    await expect(bus().extent(`unknown-${randomUUID()}`)).rejects.toMatchObject({
      code: "invalid",
    });
  });

  test("records of one key keep their order, also when publishes are not awaited", async () => {
    const topic = await newTopic(bus());
    const sends: Promise<void>[] = [];
    for (let round = 0; round < 40; round += 1) {
      const batch = Array.from({ length: 25 }, (_, index) =>
        outgoing(`k${index % 10}`, `${round}`),
      );
      sends.push(bus().publish(topic, batch));
    }
    await Promise.all(sends);
    const { consumer, records } = await read(bus(), topic, { batchRecordsMax: 7 });
    await until("all records", () => records.length === 1_000);
    const rounds = new Map<string, number>();
    const partitions = new Map<string, number>();
    for (const record of records) {
      expect(Number(textOf(record))).toBeGreaterThanOrEqual(rounds.get(record.key) ?? 0);
      rounds.set(record.key, Number(textOf(record)));
      expect(record.partition).toBe(partitions.get(record.key) ?? record.partition);
      partitions.set(record.key, record.partition);
    }
    expectOrdered(records);
    expect(new Set(partitions.values()).size).toBeGreaterThan(1);
    await consumer.close();
  });

  test("a partition key decides the partition, and the record keeps its own key", async () => {
    const topic = await newTopic(bus());
    const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
    await bus().publish(topic, [
      outgoing("together", "alone"),
      ...keys.map((key) => ({ ...outgoing(key, key), partitionKey: "together" })),
    ]);
    const { consumer, records } = await read(bus(), topic);
    await until("all records", () => records.length === 21);
    await consumer.close();
    expect(new Set(records.map(({ partition }) => partition)).size).toBe(1);
    expect(records.map(({ key }) => key)).toEqual(["together", ...keys]);
  });

  test("keys go to the partitions of Kafka's Java client", async () => {
    const topic = await newTopic(bus(), 12);
    const keys = ["21", "foobar", "abc", ""];
    await bus().publish(
      topic,
      keys.map((key) => outgoing(key, "v")),
    );
    const { consumer, records } = await read(bus(), topic);
    await until("all records", () => records.length === keys.length);
    const partitions = Object.fromEntries(records.map(({ key, partition }) => [key, partition]));
    // (murmur2 & 0x7fffffff) % 12 of Kafka's published test vectors
    expect(partitions).toEqual({
      "21": (-973932308 & 0x7fffffff) % 12,
      foobar: (-790332482 & 0x7fffffff) % 12,
      abc: 479470107 % 12,
      "": 275646681 % 12,
    });
    await consumer.close();
  });

  test("a batch holds records of one partition, in order, at most batchRecordsMax, one at a time", async () => {
    const topic = await newTopic(bus());
    const records = Array.from({ length: 200 }, (_, index) => outgoing(`k${index}`, "v"));
    await bus().publish(topic, records);
    const batches: (readonly ConsumedRecord[])[] = [];
    let running = 0;
    let runningMax = 0;
    const { consumer } = await read(bus(), topic, {
      batchRecordsMax: 16,
      handler: async (batch) => {
        running += 1;
        runningMax = Math.max(running, runningMax);
        batches.push(batch);
        await nextTurn();
        running -= 1;
        return [];
      },
    });
    await until("all records", () => batches.flat().length === 200);
    expect(Math.max(...batches.map(({ length }) => length))).toBe(16);
    expect(runningMax).toBe(1);
    for (const batch of batches) expect(new Set(batch.map((r) => r.partition)).size).toBe(1);
    expectOrdered(batches.flat());
    await consumer.close();
  });

  test("every new group starts at the beginning, and groups do not take records from each other", async () => {
    const topic = await newTopic(bus());
    await bus().publish(topic, [outgoing("a", "1"), outgoing("b", "2")]);
    const one = await read(bus(), topic);
    await until("the first group", () => one.records.length === 2);
    const two = await read(bus(), topic);
    await until("the second group", () => two.records.length === 2);
    await bus().publish(topic, [outgoing("c", "3")]);
    await until("the third record", () => one.records.length === 3 && two.records.length === 3);
    await Promise.all([one.consumer.close(), two.consumer.close()]);
  });

  test("lag counts what is not committed and falls to 0", async () => {
    const topic = await newTopic(bus());
    const records = Array.from({ length: 30 }, (_, index) => outgoing(`k${index}`, "v"));
    await bus().publish(topic, records);
    const gate = Promise.withResolvers<void>();
    const { consumer } = await read(bus(), topic, {
      handler: async () => {
        await gate.promise;
        return [];
      },
    });
    expect(await consumer.lag()).toBe(30n);
    gate.resolve();
    await until("no lag", async () => (await consumer.lag()) === 0n);
    expect(consumer.status()).toEqual({ state: "running" });
    await consumer.close();
    expect(consumer.status().state).toBe("closed");
  });

  test("no record comes before its time, and one that is early holds up its own partition alone", async () => {
    const topic = await newTopic(bus());
    const at = (inMs: number): Record<string, string> => ({ due: String(Date.now() + inMs) });
    const arrivedAtMs = new Map<string, number>();
    const { consumer, records } = await read(bus(), topic, {
      dueAtMs: ({ headers }) => Number(headers["due"]),
      handler: async (batch) => {
        for (const record of batch) arrivedAtMs.set(textOf(record), Date.now());
        return [];
      },
    });
    const early = at(600);
    await bus().publish(topic, [
      // By murmur2 `a` goes to partition 1 of 3, `b` to 2.
      { ...outgoing("a", "first"), headers: at(0) },
      { ...outgoing("a", "early"), headers: early },
      { ...outgoing("a", "behind"), headers: at(0) },
      { ...outgoing("b", "elsewhere"), headers: at(0) },
    ]);
    await until("what is due", () => records.length === 2);
    expect(records.map(textOf).toSorted()).toEqual(["elsewhere", "first"]);
    expect(Date.now()).toBeLessThan(Number(early["due"]));
    expect(consumer.status().state).toBe("running");
    await until("what was early", () => records.length === 4);
    expect(arrivedAtMs.get("early")).toBeGreaterThanOrEqual(Number(early["due"]));
    expect(records.map(textOf).slice(2)).toEqual(["early", "behind"]);
    await consumer.close();
  });

  test("closing does not wait for a record's time, and the next member does", async () => {
    const topic = await newTopic(bus(), 1);
    const group = `group-${randomUUID()}`;
    const dueAtMs = Date.now() + 3_600_000;
    await bus().publish(topic, [outgoing("k", "early")]);
    for (const early of [true, false]) {
      const { consumer, records } = await read(bus(), topic, {
        group,
        ...(early ? { dueAtMs: () => dueAtMs } : {}),
      });
      if (!early) await until("the record", () => records.length === 1);
      await consumer.close();
      expect(records).toHaveLength(early ? 0 : 1);
    }
  });

  test("a paused consumer takes nothing and goes on where it was when resumed", async () => {
    const topic = await newTopic(bus(), 1);
    const { consumer, records } = await read(bus(), topic);
    await bus().publish(topic, [outgoing("k", "1")]);
    await until("the first record", () => records.length === 1);
    consumer.pause();
    await bus().publish(topic, [outgoing("k", "2")]);
    // Another group sees the record, so the paused one could have.
    const witness = await read(bus(), topic);
    await until("the witness", () => witness.records.length === 2);
    expect(records).toHaveLength(1);
    expect(consumer.status().state).toBe("running");
    consumer.resume();
    await until("the second record", () => records.length === 2);
    expect(records.map(textOf)).toEqual(["1", "2"]);
    await Promise.all([consumer.close(), witness.consumer.close()]);
  });

  test("a pause lets the running batch end and holds for the rest of what was fetched", async () => {
    const topic = await newTopic(bus(), 1);
    await bus().publish(
      topic,
      ["1", "2", "3"].map((text) => outgoing("k", text)),
    );
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const { consumer, records } = await read(bus(), topic, {
      batchRecordsMax: 1,
      handler: async () => {
        started.resolve();
        await gate.promise;
        return [];
      },
    });
    await started.promise;
    consumer.pause();
    gate.resolve();
    await until("the commit of the running batch", async () => (await consumer.lag()) === 2n);
    expect(records.map(textOf)).toEqual(["1"]);
    consumer.resume();
    await until("the rest", () => records.length === 3);
    await consumer.close();
  });
}

function groupsOfConsumers(bus: () => EventBus): void {
  test("a group goes on at its committed offset when it is opened again", async () => {
    const topic = await newTopic(bus());
    const group = `group-${randomUUID()}`;
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    await bus().publish(
      topic,
      keys.map((key) => outgoing(key, "first")),
    );
    const before = await read(bus(), topic, { group, batchRecordsMax: 3 });
    await until("the first records", () => before.records.length === 20);
    await before.consumer.close();
    await bus().publish(
      topic,
      keys.map((key) => outgoing(key, "second")),
    );
    const after = await read(bus(), topic, { group });
    await until("the second records", () => after.records.length === 20);
    expect(new Set(after.records.map(textOf))).toEqual(new Set(["second"]));
    await after.consumer.close();
  });

  test("members share the partitions, none sees another's, and the one that stays takes over", async () => {
    const topic = await newTopic(bus(), 4);
    const group = `group-${randomUUID()}`;
    const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
    const publish = (text: string) =>
      bus().publish(
        topic,
        keys.map((key) => outgoing(key, text)),
      );
    const one = await read(bus(), topic, { group });
    await publish("alone");
    await until("the first member", () => one.records.length === 40);

    const two = await read(bus(), topic, { group });
    await until("the end of the rebalance", () => one.consumer.status().state === "running");
    await publish("shared");
    await until("both members", () => one.records.length + two.records.length >= 80);
    const partitions = ({ records }: Reader) =>
      new Set(records.filter((r) => textOf(r) === "shared").map((r) => r.partition));
    expect(partitions(one).size).toBe(2);
    expect(partitions(two).size).toBe(2);
    expect(new Set([...partitions(one), ...partitions(two)]).size).toBe(4);

    await one.consumer.close();
    await publish("left");
    await until(
      "the takeover",
      () => two.records.filter((r) => textOf(r) === "left").length === 40,
    );
    expectOrdered(two.records.filter((record) => textOf(record) === "left"));
    expect(one.records.length + two.records.length).toBe(120);
    await two.consumer.close();
  });

  test("while members come and go under load nothing is lost and no order is broken", async () => {
    const topic = await newTopic(bus(), 4);
    const group = `group-${randomUUID()}`;
    const latest = new Map<string, number>();
    let broken = 0;
    let handling = new Set<number>();
    const handler: BatchHandler = async (batch) => {
      const partition = batch[0]?.partition ?? -1;
      if (handling.has(partition)) broken += 1; // two members at once
      handling.add(partition);
      await nextTurn();
      for (const record of batch) {
        // Redelivery may go back, but never past what comes next.
        const number = Number(textOf(record));
        if (number > (latest.get(record.key) ?? -1) + 1) broken += 1;
        latest.set(record.key, Math.max(number, latest.get(record.key) ?? -1));
      }
      handling.delete(partition);
      return [];
    };
    const keys = Array.from({ length: 16 }, (_, index) => `k${index}`);
    const options = { group, handler, batchRecordsMax: 8 };
    const one = await read(bus(), topic, options);
    const sending = (async () => {
      for (let number = 0; number < 100; number += 1) {
        await bus().publish(
          topic,
          keys.map((key) => outgoing(key, String(number))),
        );
      }
    })();
    const two = await read(bus(), topic, options);
    await one.consumer.close();
    const three = await read(bus(), topic, options);
    await sending;
    await until("the last number of each key", () => keys.every((key) => latest.get(key) === 99));
    expect(broken).toBe(0);
    await Promise.all([two.consumer.close(), three.consumer.close()]);
  });

  test("a member that retries without end still lets a second one in", async () => {
    const topic = await newTopic(bus(), 2);
    const group = `group-${randomUUID()}`;
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    let away = true;
    const handler: BatchHandler = () =>
      away ? Promise.reject(new MarquetryError("unavailable", "away")) : Promise.resolve([]);
    const one = await read(bus(), topic, { group, handler });
    await bus().publish(
      topic,
      keys.map((key) => outgoing(key, "v")),
    );
    await until("the retries", () => one.consumer.status().state === "retrying");
    const two = await read(bus(), topic, { group, handler });
    away = false;
    await until("all records", () => one.records.length + two.records.length === 20);
    expect(one.records.length).toBeGreaterThan(0);
    expect(two.records.length).toBeGreaterThan(0);
    await Promise.all([one.consumer.close(), two.consumer.close()]);
  });

  test("a group that reads one topic is refused another", async () => {
    const group = `group-${randomUUID()}`;
    const { consumer } = await read(bus(), await newTopic(bus()), { group });
    const other = await newTopic(bus());
    await expect(read(bus(), other, { group })).rejects.toMatchObject({ code: "invalid" });
    await consumer.close();
  });

  test("closing waits for the running batch, commits it, and takes no further one", async () => {
    const topic = await newTopic(bus(), 1);
    const group = `group-${randomUUID()}`;
    await bus().publish(
      topic,
      ["1", "2"].map((text) => outgoing("k", text)),
    );
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const { consumer, records } = await read(bus(), topic, {
      group,
      batchRecordsMax: 1,
      handler: async () => {
        started.resolve();
        await gate.promise;
        return [];
      },
    });
    await started.promise;
    let closed = false;
    const closing = consumer.close().then(() => {
      closed = true;
    });
    await bus().ping(); // a round trip of the bus: time in which closing could have ended
    expect(closed).toBe(false);
    gate.resolve();
    await closing;
    expect(records.map(textOf)).toEqual(["1"]);
    const next = await read(bus(), topic, { group });
    await until("the second record", () => next.records.length === 1);
    expect(next.records.map(textOf)).toEqual(["2"]);
    await next.consumer.close();
  });
}

function failingHandlers(bus: () => EventBus): void {
  test("a handler that throws gets the same batch again and nothing is lost", async () => {
    const topic = await newTopic(bus(), 1);
    await bus().publish(
      topic,
      ["1", "2", "3"].map((text) => outgoing("k", text)),
    );
    const seen: string[][] = [];
    const retries: number[] = [];
    const { consumer, records } = await read(bus(), topic, {
      onRetry: (_error, attempt) => retries.push(attempt),
      handler: (batch) => {
        seen.push(batch.map(textOf));
        return seen.length < 4 ? Promise.reject(new Error("no")) : Promise.resolve([]);
      },
    });
    await until("all records", () => records.length === 3);
    expect(seen).toEqual(Array.from({ length: 4 }, () => ["1", "2", "3"]));
    expect(retries).toEqual([1, 2, 3]);
    await until("the commit", async () => (await consumer.lag()) === 0n);
    expect(consumer.status()).toEqual({ state: "running" });
    await consumer.close();
  });

  test.each(["unavailable", "overloaded"] as const)(
    "%s is retried far past attemptsMax, shows in the status, and dead-letters nothing",
    async (code) => {
      const topic = await newTopic(bus(), 1);
      await bus().publish(topic, [outgoing("k", "v")]);
      let calls = 0;
      let away = true;
      const buried: Rejection[] = [];
      const { consumer, records } = await read(bus(), topic, {
        attemptsMax: 2,
        onDeadLetter: (rejection) => buried.push(rejection),
        handler: () => {
          calls += 1;
          return away ? Promise.reject(new MarquetryError(code, "away")) : Promise.resolve([]);
        },
      });
      await until("many attempts", () => calls > 10);
      expect(consumer.status()).toEqual({ state: "retrying", error: "away" });
      expect(await consumer.lag()).toBe(1n);
      away = false;
      await until("the record", async () => records.length === 1 && (await consumer.lag()) === 0n);
      expect(buried).toEqual([]);
      expect(consumer.status()).toEqual({ state: "running" });
      await consumer.close();
    },
  );

  test("one bad record costs only itself: the others are settled, it is dead-lettered to the byte", async () => {
    const topic = await newTopic(bus(), 1);
    const group = `group-${randomUUID()}`;
    const bad = Uint8Array.of(0x80, 0xff, 0x00, 0xc3);
    await bus().publish(topic, [
      outgoing("a", "1"),
      { key: "ключ", value: bad, headers: { own: "kept", [DEAD_LETTER_HEADERS.cause]: "older" } },
      outgoing("c", "3"),
    ]);
    const settled: string[] = [];
    const buried: Rejection[] = [];
    const { consumer } = await read(bus(), topic, {
      group,
      attemptsMax: 3,
      onDeadLetter: (rejection) => buried.push(rejection),
      handler: (batch) => {
        if (batch.some(({ offset }) => offset === 1n)) return Promise.reject(new Error("broken"));
        settled.push(...batch.map(textOf));
        return Promise.resolve([]);
      },
    });
    await until("the commit", async () => (await consumer.lag()) === 0n);
    expect(settled).toEqual(["1", "3"]);
    expect(buried.map(({ record, cause }) => [record.offset, cause])).toEqual([[1n, "broken"]]);
    await consumer.close();

    const letters = await deadLetters(bus(), topic, 1);
    expect(letters).toHaveLength(1);
    expect(letters[0]?.key).toBe("ключ");
    expect([...(letters[0]?.value ?? [])]).toEqual([...bad]);
    expect(letters[0]?.headers).toEqual({
      own: "kept",
      [DEAD_LETTER_HEADERS.cause]: "broken",
      [DEAD_LETTER_HEADERS.topic]: topic,
      [DEAD_LETTER_HEADERS.partition]: "0",
      [DEAD_LETTER_HEADERS.offset]: "1",
      [DEAD_LETTER_HEADERS.group]: group,
      [DEAD_LETTER_HEADERS.attempt]: "4",
    });
  });

  test("rejections of a handler that resolves are dead-lettered and the batch is not repeated", async () => {
    const topic = await newTopic(bus(), 1);
    await bus().publish(
      topic,
      ["1", "2", "3"].map((text) => outgoing("k", text)),
    );
    let calls = 0;
    const { consumer, records } = await read(bus(), topic, {
      handler: (batch) => {
        calls += 1;
        const rejected = batch.filter((record) => textOf(record) !== "2");
        return Promise.resolve(
          rejected.map((record) => ({ record, cause: "price: expected one" })),
        );
      },
    });
    await until("the commit", async () => records.length === 3 && (await consumer.lag()) === 0n);
    expect(calls).toBe(1);
    await consumer.close();
    const letters = await deadLetters(bus(), topic, 2);
    expect(letters.map(textOf)).toEqual(["1", "3"]);
    expect(letters[0]?.headers[DEAD_LETTER_HEADERS.cause]).toBe("price: expected one");
  });

  test("the largest record of a topic still fits into its dead-letter topic", async () => {
    const topic = await newTopic(bus(), 1, 1_000);
    await bus().publish(topic, [{ key: "k", value: new Uint8Array(999) }]);
    const { consumer } = await read(bus(), topic, {
      handler: ([record]) => Promise.resolve(record ? [{ record, cause: "→".repeat(10_000) }] : []),
    });
    await until("the commit", async () => (await consumer.lag()) === 0n);
    await consumer.close();
    expect((await deadLetters(bus(), topic, 1))[0]?.value).toHaveLength(999);
  });

  test("a dead-letter topic that exists with other partitions stays as it is and takes the letters", async () => {
    const topic = `topic-${randomUUID()}`;
    const spec = { name: deadLetterTopic(topic), partitions: 3, recordBytesMax: 100_000 };
    await bus().ensureTopics([spec]);
    await bus().ensureTopics([{ name: topic, partitions: 2, recordBytesMax: 1_000 }]);
    expect(await bus().extent(spec.name)).toHaveLength(3);
    await bus().publish(topic, [outgoing("k", "v")]);
    await read(bus(), topic, {
      handler: (records) => Promise.resolve(records.map((record) => ({ record, cause: "broken" }))),
    });
    expect((await deadLetters(bus(), topic, 1)).map(textOf)).toEqual(["v"]);
  });

  test("a handler that does not end is aborted after the drain time and its records come again", async () => {
    const topic = await newTopic(bus(), 1);
    const group = `group-${randomUUID()}`;
    await bus().publish(topic, [outgoing("k", "v")]);
    const started = Promise.withResolvers<void>();
    const { consumer } = await read(bus(), topic, {
      group,
      handler: async (_batch, signal) => {
        started.resolve();
        await new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
        throw new Error("aborted");
      },
    });
    await started.promise;
    await consumer.close();
    const next = await read(bus(), topic, { group });
    await until("the record", () => next.records.length === 1);
    await next.consumer.close();
  });

  test("a record that was not settled when its consumer closed comes again", async () => {
    const topic = await newTopic(bus(), 1);
    const group = `group-${randomUUID()}`;
    await bus().publish(topic, [outgoing("k", "v")]);
    let calls = 0;
    const { consumer } = await read(bus(), topic, {
      group,
      retryPauseMs: 60_000,
      retryPauseMsMax: 60_000,
      handler: () => {
        calls += 1;
        return Promise.reject(new MarquetryError("unavailable", "away"));
      },
    });
    await until("the pause before the retry", () => consumer.status().state === "retrying");
    await consumer.close(); // ends the pause
    expect(calls).toBe(1);
    const next = await read(bus(), topic, { group });
    await until("the record", () => next.records.length === 1);
    await next.consumer.close();
  });
}

async function closedBus(open: () => Promise<EventBus>): Promise<void> {
  const bus = await open();
  await bus.ping();
  const topic = await newTopic(bus);
  await bus.publish(topic, [outgoing("k", "v")]);
  const { consumer, records } = await read(bus, topic);
  await until("the record", () => records.length === 1);
  await bus.close();
  await bus.close();
  expect(consumer.status().state).toBe("closed");
  const code = "unavailable";
  await expect(bus.publish(topic, [])).rejects.toMatchObject({ code });
  await expect(bus.ping()).rejects.toMatchObject({ code });
  await expect(read(bus, topic)).rejects.toMatchObject({ code });
}
