import { randomUUID } from "node:crypto";
import { expect, jest, test } from "@jest/globals";
import { createUntil } from "@marquetry/testing/until";
import { CONTRACT_DRAIN_MS, describeEventBus } from "../src/event-bus/event-bus.contract.js";
import type { EventBus } from "../src/event-bus/event-bus.js";
import { createKafkaEventBus } from "../src/event-bus/kafka/kafka-event-bus.js";
import { createMemoryEventBus } from "../src/event-bus/memory.js";
import { withServerAt } from "./servers.js";

jest.setTimeout(90_000);

describeEventBus("memory", () =>
  Promise.resolve(createMemoryEventBus({ drainMs: CONTRACT_DRAIN_MS })),
);

/** The least that a broker accepts by default. */
const SESSION_MS = 6_000;
const PAUSE_MS = Number(process.env["MARQUETRY_TEST_PAUSE_MS"] ?? 10_000);

/** Kafka takes the partitions of a member that it does not hear from; a paused one is heard. */
function describePause(open: (sessionMs: number) => EventBus): void {
  test(
    `a consumer paused for longer than its session keeps its partitions`,
    async () => {
      const bus = open(SESSION_MS);
      const topic = `pause-${randomUUID()}`;
      await bus.ensureTopics([{ name: topic, partitions: 3, recordBytesMax: 1_000 }]);
      const keys = Array.from({ length: 30 }, (_, i) => `key-${i}`);
      const publish = () =>
        bus.publish(
          topic,
          keys.map((key) => ({ key, value: Buffer.from(key) })),
        );
      const received: string[] = [];
      let running: PromiseWithResolvers<void> | undefined;
      const consumer = await bus.consume({
        topic,
        group: topic,
        async handler(records) {
          await running?.promise;
          received.push(...records.map(({ key }) => key));
          return [];
        },
      });
      await publish();
      await until("30 records", () => received.length === 30);

      // One batch is being handled meanwhile, as when an encoder is busy.
      running = Promise.withResolvers();
      await publish();
      consumer.pause();
      const states = new Set<string>();
      const endMs = Date.now() + PAUSE_MS;
      await until(
        "the end of the pause",
        () => {
          states.add(consumer.status().state);
          return Date.now() > endMs;
        },
        2 * PAUSE_MS,
      );
      expect([...states]).toEqual(["running"]);
      running.resolve();
      consumer.resume();
      await until("60 records", () => received.length >= 60);
      // Another owner, or the same one after a new join, would have got some of them again.
      await until("the commit", async () => (await consumer.lag()) === 0n);
      expect(received.slice(30).toSorted()).toEqual(keys.toSorted());
      await bus.close();
    },
    3 * PAUSE_MS + 60_000,
  );
}

const until = createUntil(60_000, 20);

withServerAt("KAFKA_BROKERS", "host:port[,host:port]", "event bus on Kafka", (list) => {
  const options = {
    brokers: list.split(","),
    clientId: "event-bus-test",
    log: () => undefined,
  };
  describePause((sessionMs) => createKafkaEventBus({ ...options, sessionMs }));
  describeEventBus("Kafka", () =>
    Promise.resolve(createKafkaEventBus({ ...options, drainMs: CONTRACT_DRAIN_MS })),
  );
});
