import { expect, test } from "@jest/globals";
import { kafkaProperties } from "./kafka.js";
import { redisConfig } from "./redis.js";

test("Kafka listens on 127.0.0.1 only and creates no topic by itself", () => {
  const lines = kafkaProperties("/stack/kafka/data", 1234, 1235).split("\n");
  expect(lines).toContain("listeners=PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:1235");
  expect(lines).toContain("advertised.listeners=PLAINTEXT://127.0.0.1:1234");
  expect(lines).toContain("controller.quorum.voters=1@127.0.0.1:1235");
  expect(lines).toContain("log.dirs=/stack/kafka/data");
  expect(lines).toContain("auto.create.topics.enable=false");
});

test("Redis listens on 127.0.0.1 only, keeps its writes and its command line", () => {
  const lines = redisConfig("/my stack/redis/data", 1234).split("\n");
  expect(lines).toContain("bind 127.0.0.1");
  expect(lines).toContain("port 1234");
  expect(lines).toContain('dir "/my stack/redis/data"');
  expect(lines).toContain("appendonly yes");
  expect(lines).toContain("set-proc-title no");
});
