import { describe, jest, test } from "@jest/globals";
import { CONTRACT_DRAIN_MS, describeEventBus } from "../src/event-bus/event-bus.contract.js";
import { createKafkaEventBus } from "../src/event-bus/kafka.js";
import { createMemoryEventBus } from "../src/event-bus/memory.js";

jest.setTimeout(90_000);

describeEventBus("memory", () =>
  Promise.resolve(createMemoryEventBus({ drainMs: CONTRACT_DRAIN_MS })),
);

const brokers = process.env["KAFKA_BROKERS"] ?? "";
if (brokers !== "") {
  describeEventBus("Kafka", () =>
    Promise.resolve(
      createKafkaEventBus({
        brokers: brokers.split(","),
        clientId: "event-bus-test",
        log: () => undefined,
        drainMs: CONTRACT_DRAIN_MS,
      }),
    ),
  );
} else {
  const missing = "KAFKA_BROKERS is not set (host:port[,host:port]), so Kafka is not tested";
  describe("event bus on Kafka", () => {
    if (process.env["CI"] === undefined) {
      console.warn(missing);
      test.skip(missing, () => undefined);
    } else {
      test("has a Kafka to be tested on", () => {
        throw new Error(missing);
      });
    }
  });
}
