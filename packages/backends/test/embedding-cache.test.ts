import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createUntil } from "@marquetry/testing/until";
import { describeEmbeddingCache } from "../src/embedding-cache/embedding-cache.contract.js";
import { createMemoryEmbeddingCache } from "../src/embedding-cache/memory.js";
import { createRedisEmbeddingCache } from "../src/embedding-cache/redis/redis-embedding-cache.js";
import { openRedis } from "../src/redis/connection.js";
import { withRedisServer } from "./servers.js";

/*
 * A Redis of its own, since the cache is bounded as a whole: `redis-server` on a free port, which
 * the tests also stop and start.
 */

const DEFAULTS = { megabytes: 16, ttlSeconds: 60, onFailure: () => undefined };
const until = createUntil(15_000, 20);

describeEmbeddingCache(
  "embedding cache in memory",
  (options) => createMemoryEmbeddingCache({ ...DEFAULTS, ...options }),
  async () => undefined,
);

withRedisServer("embedding cache on Redis", describeOnRedis);

function describeOnRedis(): void {
  let server: ChildProcess;
  let port: number;

  async function startServer(): Promise<void> {
    const flags = ["--port", String(port), "--bind", "127.0.0.1", "--save", ""];
    server = spawn("redis-server", flags, { stdio: ["ignore", "pipe", "inherit"] });
    let log = "";
    for await (const chunk of server.stdout!) {
      log += String(chunk);
      if (log.includes("Ready to accept connections")) break;
    }
    server.stdout?.resume();
  }

  async function stopServer(): Promise<void> {
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
  }

  interface Commands {
    flushall(): Promise<string>;
    keys(pattern: string): Promise<string[]>;
    mset(values: readonly string[]): Promise<unknown>;
    set(key: string, value: string | Buffer): Promise<unknown>;
    getBuffer(key: string): Promise<Buffer | null>;
    zcard(key: string): Promise<number>;
    ttl(key: string): Promise<number>;
  }

  async function look<Result>(work: (client: Commands) => Promise<Result>): Promise<Result> {
    const redis = openRedis<Commands>(address(), { purpose: "the test's Redis", scripts: {} });
    try {
      return await redis.reach(() => work(redis.client));
    } finally {
      await redis.close();
    }
  }

  const address = (): string => `redis://127.0.0.1:${port}`;

  beforeAll(async () => {
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    ({ port } = probe.address() as AddressInfo);
    await new Promise((resolve) => probe.close(resolve));
    await startServer();
  });
  afterAll(() => stopServer());

  describeEmbeddingCache(
    "embedding cache on Redis",
    (options) => createRedisEmbeddingCache(address(), { ...DEFAULTS, ...options }),
    async () => void (await look((client) => client.flushall())),
  );

  describe("embedding cache on a Redis of its own", () => {
    test("is shared by all that name it", async () => {
      const [writer, reader] = [1, 2].map(() => createRedisEmbeddingCache(address(), DEFAULTS));
      await writer!.set(new Map([["shared", Float32Array.of(1, 2)]]));
      expect(Array.from((await reader!.get(["shared"]))[0] ?? [])).toEqual([1, 2]);
      await Promise.all([writer!.close(), reader!.close()]);
    });

    test("keeps raw little-endian float32 with a time to live, and nothing without one but its lists", async () => {
      await look((client) => client.flushall());
      const cache = createRedisEmbeddingCache(address(), DEFAULTS);
      await cache.set(new Map([["raw", Float32Array.of(1, -2)]]));
      const keys = await look((client) => client.keys("*:raw"));
      expect(keys).toHaveLength(1);
      const bytes = await look((client) => client.getBuffer(keys[0]!));
      expect([...(bytes ?? [])]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
      expect(await look((client) => client.ttl(keys[0]!))).toBeGreaterThan(50);
      expect(await look((client) => client.keys("*"))).toHaveLength(3);
      await cache.close();
    });

    test("a damaged value is as good as none, and is mended by the next set", async () => {
      const cache = createRedisEmbeddingCache(address(), DEFAULTS);
      await cache.set(new Map([["damaged", Float32Array.of(1, 2)]]));
      const [key = ""] = await look((client) => client.keys("*:damaged"));
      for (const value of [Buffer.alloc(7), Buffer.alloc(0)]) {
        await look((client) => client.set(key, value));
        expect(await cache.get(["damaged"])).toEqual([undefined]);
      }
      await cache.set(new Map([["damaged", Float32Array.of(1, 2)]]));
      expect(Array.from((await cache.get(["damaged"]))[0] ?? [])).toEqual([1, 2]);
      await cache.close();
    });

    test("lists forget what left, so that they do not grow for ever", async () => {
      await look((client) => client.flushall());
      const cache = createRedisEmbeddingCache(address(), { ...DEFAULTS, megabytes: 1 });
      for (let round = 0; round < 40; round += 1) {
        const vectors = Array.from(
          { length: 100 },
          (_, at) => [`grow-${round}-${at}`, new Float32Array(64)] as const,
        );
        await cache.set(new Map(vectors));
      }
      const keys = await look((client) => client.keys("*"));
      const values = keys.filter((key) => key.includes("grow-"));
      const lists = keys.filter((key) => key.endsWith("}"));
      const listed = await look(async (client) =>
        Promise.all(lists.map((key) => client.zcard(key))),
      );
      expect(listed.reduce((sum, count) => sum + count, 0)).toBe(values.length);
      expect(values.length).toBeLessThanOrEqual(2_048);
      await cache.close();
    });

    test("unavailable it finds and stores nothing, soon, says so, and goes on by itself afterwards", async () => {
      const failures: unknown[] = [];
      const cache = createRedisEmbeddingCache(address(), {
        ...DEFAULTS,
        onFailure: (error) => failures.push(error),
      });
      await cache.set(new Map([["kept", Float32Array.of(1)]]));
      await stopServer();
      for (let call = 0; call < 3; call += 1) {
        const startMs = Date.now();
        expect(await cache.get(["kept"])).toEqual([undefined]);
        await cache.set(new Map([["kept", Float32Array.of(1)]]));
        expect(Date.now() - startMs).toBeLessThan(3_000);
      }
      expect(failures.length).toBeGreaterThanOrEqual(3);
      await expect(cache.ping()).rejects.toMatchObject({ code: "unavailable" });

      await startServer();
      await until("the cache answers again", async () => {
        await cache.set(new Map([["again", Float32Array.of(2)]]));
        return (await cache.get(["again"]))[0] !== undefined;
      });
      await cache.close();
    });
  });
}
