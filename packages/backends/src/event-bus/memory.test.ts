import { expect, test } from "@jest/globals";
import { createMemoryEventBus } from "./memory.js";

const record = { key: "k", value: Uint8Array.of(1) };

test("a full partition refuses the whole batch as overloaded and keeps what it has", async () => {
  const bus = createMemoryEventBus({ recordsPerPartitionMax: 2 });
  await bus.ensureTopics([{ name: "t", partitions: 1, recordBytesMax: 10 }]);
  await bus.publish("t", [record]);
  await expect(bus.publish("t", [record, record])).rejects.toMatchObject({ code: "overloaded" });
  await bus.publish("t", [record]);
  const got: bigint[] = [];
  const both = Promise.withResolvers<void>();
  await bus.consume({
    topic: "t",
    group: "g",
    handler: async (batch) => {
      got.push(...batch.map(({ offset }) => offset));
      if (got.length === 2) both.resolve();
      return [];
    },
  });
  await both.promise;
  expect(got).toEqual([0n, 1n]);
  await bus.close();
});

test("a handler that changes its bytes does not change them for another group", async () => {
  const bus = createMemoryEventBus();
  await bus.ensureTopics([{ name: "t", partitions: 1, recordBytesMax: 10 }]);
  await bus.publish("t", [record]);
  for (const group of ["one", "two"]) {
    const seen = Promise.withResolvers<number | undefined>();
    await bus.consume({
      topic: "t",
      group,
      handler: async ([first]) => {
        seen.resolve(first?.value[0]);
        first?.value.fill(9);
        return [];
      },
    });
    expect(await seen.promise).toBe(1);
  }
  await bus.close();
});

test("a handler that outlives its aborted consumer commits nothing", async () => {
  const bus = createMemoryEventBus({ drainMs: 1 });
  await bus.ensureTopics([{ name: "t", partitions: 1, recordBytesMax: 10 }]);
  await bus.publish("t", [record]);
  const started = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const consumer = await bus.consume({
    topic: "t",
    group: "g",
    handler: async () => {
      started.resolve();
      await gate.promise;
      setImmediate(ended.resolve);
      return [];
    },
  });
  await started.promise;
  await consumer.close(); // gives up on the handler
  gate.resolve();
  await ended.promise;
  expect(await consumer.lag()).toBe(1n);
  await bus.close();
});

test("a consumer whose own callback throws fails for good and says so", async () => {
  const bus = createMemoryEventBus();
  await bus.ensureTopics([{ name: "t", partitions: 1, recordBytesMax: 10 }]);
  await bus.publish("t", [record]);
  const failed = Promise.withResolvers<unknown>();
  const consumer = await bus.consume({
    topic: "t",
    group: "g",
    handler: () => Promise.reject(new Error("handler")),
    onRetry: () => {
      throw new Error("callback");
    },
    onFailed: failed.resolve,
  });
  expect(await failed.promise).toEqual(new Error("callback"));
  expect(consumer.status()).toEqual({ state: "failed", error: "callback" });
  await bus.close();
});
