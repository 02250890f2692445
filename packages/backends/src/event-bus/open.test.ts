import { expect, test } from "@jest/globals";
import { createLogger } from "@marquetry/runtime/logger";
import { openEventBus } from "./open.js";

const options = { clientId: "open-test", logger: createLogger("open-test", "silent") };

test.each([
  "",
  "memory",
  "memory://",
  "kafka:",
  "kafka://",
  "kafka://broker",
  "kafka://broker:0",
  "kafka://broker:70000",
  "kafka://one:9092,two",
  "kafka://one:9092,",
  "kafka://user:word@one:9092",
  "kafka://one:9092/topic",
  "kafka://one:9092?prefix=",
  "kafka://one:9092?prefix=a%20b",
  "kafka://one:9092?prefix=",
  "kafka://one:9092?prefix=a b",
  "redis://one:6379",
])("%p is refused by name of what is expected", (url) => {
  expect(() => openEventBus(url, options)).toThrow(
    expect.objectContaining({
      code: "invalid",
      message: expect.stringContaining("kafka://host:port"),
    }),
  );
});

test.each([
  "memory:",
  "kafka://one:9092",
  "kafka://one:9092,two.example:9093",
  "kafka://[::1]:9092/",
  "kafka://one:9092?prefix=blue.",
  "kafka://one:9092?prefix=staging.",
])("%p opens and closes without a connection", async (url) => {
  await openEventBus(url, options).close();
});

test("each memory: is a bus of its own", async () => {
  const [one, two] = [openEventBus("memory:", options), openEventBus("memory:", options)];
  await one.ensureTopics([{ name: "t", partitions: 1, recordBytesMax: 10 }]);
  await expect(two.publish("t", [])).rejects.toMatchObject({ code: "invalid" });
});
