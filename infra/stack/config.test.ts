import { describe, expect, test } from "@jest/globals";
import { readStackConfig } from "./config.js";

describe("the environment of the stack", () => {
  test("nothing set gives the usual ports and a folder in the repository", () => {
    const config = readStackConfig({});
    expect(config.ports).toEqual({ kafka: 9092, kafkaController: 9093, redis: 6379, qdrant: 6333 });
    expect(config.directory).toMatch(/\/\.local\/stack$/);
    expect(config.engine).toBe("auto");
  });

  test("what is set counts", () => {
    const config = readStackConfig({
      MARQUETRY_STACK_REDIS_PORT: "7000",
      MARQUETRY_STACK_DIR: "/data/stack",
      MARQUETRY_STACK_ENGINE: "host",
      XDG_CACHE_HOME: "/data/cache",
    });
    expect(config).toMatchObject({
      directory: "/data/stack",
      cacheDirectory: "/data/cache/marquetry/stack",
      engine: "host",
      ports: { kafka: 9092, redis: 7000 },
    });
  });

  test("every mistake is named", () => {
    const wrong = { MARQUETRY_STACK_REDIS_PORT: "none", MARQUETRY_STACK_QDRANT_PORT: "70000" };
    expect(() => readStackConfig(wrong)).toThrow(
      /MARQUETRY_STACK_REDIS_PORT: .*\nMARQUETRY_STACK_QDRANT_PORT: /,
    );
  });

  test("two servers on one port are refused", () => {
    expect(() => readStackConfig({ MARQUETRY_STACK_KAFKA_PORT: "6379" })).toThrow("the same port");
  });
});
