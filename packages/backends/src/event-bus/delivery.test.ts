import { expect, test } from "@jest/globals";
import { MarquetryError } from "@marquetry/runtime/errors";
import { deliver, drain } from "./delivery.js";
import type { DeadLetter, Delivery } from "./delivery.js";
import { DEAD_LETTER_HEADERS } from "./event-bus.js";
import type { BatchHandler, ConsumedRecord } from "./event-bus.js";

function records(count: number): ConsumedRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    topic: "topic",
    partition: 0,
    offset: BigInt(index),
    key: "k",
    value: new Uint8Array(),
    headers: {},
  }));
}

function newDelivery(handler: BatchHandler, options: Partial<Delivery["options"]> = {}) {
  const events: string[] = [];
  const letters: DeadLetter[] = [];
  const stop = new AbortController();
  const delivery: Delivery = {
    options: {
      topic: "topic",
      group: "group",
      handler,
      retryPauseMs: 0,
      onRetry: (error) => events.push(`retry ${(error as Error).message}`),
      onDeadLetter: ({ record }) => events.push(`dead ${record.offset}`),
      ...options,
    },
    writeDeadLetters: async (written) => {
      letters.push(...written);
      events.push(`write ${written.map(({ record }) => record.offset).join()}`);
    },
    settled: async ({ offset }) => void events.push(`settled ${offset}`),
    report: () => undefined,
    stop: stop.signal,
    signal: new AbortController().signal,
  };
  return { delivery, events, letters, stop };
}

test("dead letters are written before the commit that passes them", async () => {
  const { delivery, events } = newDelivery(async ([first]) =>
    first === undefined ? [] : [{ record: first, cause: "bad" }],
  );
  expect(await deliver(records(3), delivery)).toBe(true);
  expect(events).toEqual(["write 0", "dead 0", "settled 2"]);
});

test("a dead-letter topic that is unavailable holds the commit back until it takes the letter", async () => {
  const { delivery, events } = newDelivery(async ([first]) =>
    first === undefined ? [] : [{ record: first, cause: "bad" }],
  );
  let failures = 0;
  const outage: Delivery = {
    ...delivery,
    writeDeadLetters: async (letters) => {
      failures += 1;
      if (failures <= 20) throw new MarquetryError("invalid", "there is no topic");
      await delivery.writeDeadLetters(letters);
    },
  };
  expect(await deliver(records(1), outage)).toBe(true);
  expect(events.slice(-3)).toEqual(["write 0", "dead 0", "settled 0"]);
  expect(events).toHaveLength(23);
});

test("failures of another dependency do not count against the record", async () => {
  let calls = 0;
  const { delivery, events } = newDelivery(
    async () => {
      calls += 1;
      if (calls <= 30) throw new MarquetryError("unavailable", "away");
      if (calls <= 31) throw new Error("own");
      return [];
    },
    { attemptsMax: 2 },
  );
  expect(await deliver(records(2), delivery)).toBe(true);
  expect(events.filter((event) => event.startsWith("retry"))).toHaveLength(31);
  expect(events.at(-1)).toBe("settled 1");
});

test("alone, too, a record waits for a dependency rather than die of it", async () => {
  let aloneCalls = 0;
  const { delivery, events } = newDelivery(
    async (batch) => {
      if (batch.length > 1) throw new Error("batch");
      aloneCalls += 1;
      if (aloneCalls < 10) throw new MarquetryError("unavailable", "away");
      return [];
    },
    { attemptsMax: 1 },
  );
  expect(await deliver(records(2), delivery)).toBe(true);
  expect(events.filter((event) => event.startsWith("dead"))).toEqual([]);
});

test("stopping in the middle of single records keeps what is settled and calls no more", async () => {
  const { delivery, events, stop } = newDelivery(
    async (batch) => {
      if (batch.length > 1) throw new Error("batch");
      if (batch[0]?.offset === 1n) stop.abort();
      return [];
    },
    { attemptsMax: 1 },
  );
  expect(await deliver(records(3), delivery)).toBe(false);
  expect(events).toEqual(["retry batch", "settled 0", "settled 1"]);
});

test("stopping ends the pause before a retry at once", async () => {
  const { delivery, stop } = newDelivery(
    () => Promise.reject(new MarquetryError("unavailable", "away")),
    { retryPauseMs: 3_600_000, retryPauseMsMax: 3_600_000 },
  );
  const pausing = Promise.withResolvers<void>();
  const delivered = deliver(records(1), { ...delivery, report: () => pausing.resolve() });
  await pausing.promise;
  stop.abort();
  expect(await delivered).toBe(false);
});

test("a handler that rejects a record of another batch has failed", async () => {
  const [stranger] = records(9).slice(8);
  const { delivery, letters } = newDelivery(
    async () => (stranger ? [{ record: stranger, cause: "mixed up" }] : []),
    { attemptsMax: 2 },
  );
  expect(await deliver(records(1), delivery)).toBe(true);
  expect(letters).toHaveLength(1);
  expect(letters[0]?.record.offset).toBe(0n);
  expect(letters[0]?.headers[DEAD_LETTER_HEADERS.cause]).toContain("not in its batch");
  expect(letters[0]?.headers[DEAD_LETTER_HEADERS.attempt]).toBe("3");
});

test("a cause becomes one line of bounded length", async () => {
  const { delivery, letters } = newDelivery(async ([record]) =>
    record === undefined ? [] : [{ record, cause: `a\n\tb${"c".repeat(5_000)}` }],
  );
  await deliver(records(1), delivery);
  expect(letters[0]?.headers[DEAD_LETTER_HEADERS.cause]).toBe(`a b${"c".repeat(997)}`);
});

test("a failed commit is thrown, not treated as a failure of the handler", async () => {
  let calls = 0;
  const { delivery } = newDelivery(async () => {
    calls += 1;
    return [];
  });
  const settled = () => Promise.reject(new Error("no commit"));
  await expect(deliver(records(1), { ...delivery, settled })).rejects.toThrow("no commit");
  expect(calls).toBe(1);
});

test("draining aborts work that is late and reports whether it ended", async () => {
  const quick = new AbortController();
  expect(await drain(Promise.resolve(), quick, 10_000)).toBe(true);
  expect(quick.signal.aborted).toBe(false);

  const late = new AbortController();
  const obedient = new Promise<void>((resolve) => {
    late.signal.addEventListener("abort", () => resolve());
  });
  expect(await drain(obedient, late, 1)).toBe(true);
  expect(late.signal.aborted).toBe(true);
});
