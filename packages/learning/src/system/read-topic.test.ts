import { expect, test } from "@jest/globals";
import type { ConsumedRecord } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import { createLogger } from "@marquetry/runtime/logger";
import { readTopic } from "./read-topic.js";

const TOPIC = "clicks";

async function newBus() {
  const bus = openEventBus("memory:", { clientId: "t", logger: createLogger("t", "silent") });
  await bus.ensureTopics([{ name: TOPIC, partitions: 3, recordBytesMax: 1_000 }]);
  return bus;
}

const recordsOf = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({
    key: `user-${(from + i) % 7}`,
    value: Uint8Array.of(from + i),
  }));

test("a topic is read to where it ended when the reading began, though more keeps coming", async () => {
  const bus = await newBus();
  await bus.publish(TOPIC, recordsOf(0, 50));
  const read: number[] = [];
  let more = 50;
  await readTopic(bus, TOPIC, (records: readonly ConsumedRecord[]) => {
    read.push(...records.map(({ value }) => value[0]!));
    void bus.publish(TOPIC, recordsOf(more, (more += 5)));
  });
  expect(read.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  await bus.close();
});

test("an empty topic ends at once, and one that is unknown is refused", async () => {
  const bus = await newBus();
  const never = (): never => {
    throw new Error("nothing is there");
  };
  await readTopic(bus, TOPIC, never);
  await expect(readTopic(bus, "another", never)).rejects.toMatchObject({ code: "invalid" });
  await bus.close();
});
