import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { temporaryFolder } from "@marquetry/testing/folders";
import { createUntil } from "@marquetry/testing/until";
import { describeProfileStore } from "../src/profile-store/profile-store.contract.js";
import type { ProfileStore, ProfileUpdate } from "../src/profile-store/profile-store.js";
import { createRedisProfileStore } from "../src/profile-store/redis/redis-profile-store.js";
import { withRedisServer } from "./servers.js";

/*
 * What only a Redis of one's own can show: it goes down and comes back, loses its scripts, is a
 * cluster, holds damaged bytes. Starts `redis-server` itself, each on a free port.
 */

const DEADLINE_MS = 15_000;
jest.setTimeout(2 * DEADLINE_MS);
const until = createUntil(DEADLINE_MS, 0);
const run = promisify(execFile);

interface Server {
  readonly port: number;
  start(): Promise<void>;
  kill(): Promise<void>;
  cli(...args: string[]): Promise<string>;
  remove(): Promise<void>;
}

withRedisServer("profile store on its own redis-server", () => {
  describeOwnServer();
  describeCluster();
});

function describeOwnServer(): void {
  describe("profile store on a Redis that fails", () => {
    let server: Server;
    const stores: ProfileStore[] = [];

    beforeAll(async () => {
      server = await createRedisServer([]);
      await server.start();
    });
    afterAll(async () => {
      for (const store of stores) await store.close();
      await server.remove();
    });

    function open(bundleId: string, popularityHalfLifeMs = 1_000): ProfileStore {
      const store = createRedisProfileStore(`redis://127.0.0.1:${server.port}`, {
        bundleId,
        ttlSeconds: 100,
        popularityHalfLifeMs,
        popularityProductsMax: 100,
      });
      stores.push(store);
      return store;
    }

    test("a Redis that is down is unavailable at once, and back is found again without help", async () => {
      const store = open(randomUUID());
      await store.update([touch("u", 0n)]);
      await server.kill();

      for (const call of [
        () => store.read(["u"]),
        () => store.update([touch("u", 1n)]),
        () => store.addPopularity({ partition: 0, offset: 0n }, []),
        () => store.popularity(["p"], 0),
        () => store.mostPopular(1, 0),
        () => store.clear(),
        () => store.ping(),
      ]) {
        const before = Date.now();
        await expect(call()).rejects.toMatchObject({ code: "unavailable" });
        expect(Date.now() - before).toBeLessThan(2_000);
      }

      await server.start();
      await until("the store answers", () => succeeds(store.ping()));
      expect(await store.update([touch("u", 1n)])).toEqual(["applied"]);
    });

    test("a store opened while Redis is down finds it when it comes", async () => {
      await server.kill();
      const store = open(randomUUID());
      await expect(store.ping()).rejects.toMatchObject({ code: "unavailable" });
      await server.start();
      await until("the store answers", () => succeeds(store.ping()));
    });

    test("updates in flight while Redis dies end, and doing them again applies each once", async () => {
      const store = open(randomUUID());
      await store.ping();
      const updates = Array.from({ length: 500 }, (_, i) => touch(`u${i}`, 0n));
      const inFlight = store.update(updates).catch((error: unknown) => error);
      await nextTurn();
      await server.kill();
      await server.start();
      await inFlight;

      await until("the store answers", () => succeeds(store.update(updates)));
      const profiles = await store.read(updates.map(({ userId }) => userId));
      expect(profiles.every((profile) => profile?.history.length === 1)).toBe(true);
      expect(new Set(await store.update(updates))).toEqual(new Set(["already-applied"]));
    });

    test("a Redis that hangs is unavailable within the command timeout", async () => {
      const store = open(randomUUID());
      await store.ping();
      await server.cli("CLIENT", "PAUSE", "2500", "ALL");
      const before = Date.now();
      await expect(store.read(["u"])).rejects.toMatchObject({ code: "unavailable" });
      expect(Date.now() - before).toBeLessThan(2_000);
      await until("the store answers", () => succeeds(store.ping()));
    });

    test("scripts that Redis forgot are sent again", async () => {
      const store = open(randomUUID());
      await store.update([touch("u", 0n)]);
      await server.cli("SCRIPT", "FLUSH");
      const results = await store.update([touch("u", 1n), touch("v", 1n)]);
      expect(results).toEqual(["applied", "applied"]);
    });

    test("on a replica writes are unavailable until it is a master again", async () => {
      const store = open(randomUUID());
      await store.update([touch("u", 0n)]);
      // A master nobody listens as: the data stays, writes are refused.
      await server.cli("REPLICAOF", "127.0.0.1", "1");
      await expect(store.update([touch("u", 1n)])).rejects.toMatchObject({ code: "unavailable" });
      await server.cli("REPLICAOF", "NO", "ONE");
      await until("the store answers", () => succeeds(store.update([touch("u", 1n)])));
    });

    test("replay changes no byte and prolongs no life", async () => {
      const bundleId = randomUUID();
      const store = open(bundleId);
      const key = `marquetry:${bundleId}:{%7Bu%7D}`;
      await store.update([touch("{u}", 3n)]);
      await server.cli("EXPIRE", key, "50");
      const before = await server.cli("DUMP", key);
      for (const offset of [3n, 2n]) await store.update([touch("{u}", offset)]);

      expect(await server.cli("DUMP", key)).toBe(before);
      expect(Number(await server.cli("TTL", key))).toBeLessThanOrEqual(50);
      await store.update([touch("{u}", 4n)]);
      expect(Number(await server.cli("TTL", key))).toBeGreaterThan(50);
    });

    test("after erasure only the offsets stay, and not for ever", async () => {
      const bundleId = randomUUID();
      const store = open(bundleId);
      const key = `marquetry:${bundleId}:{u}`;
      await store.update([touch("u", 3n)]);
      const source = { partition: 0, offset: 4n };
      await store.update([{ userId: "u", source, change: () => undefined }]);

      const fields = (await server.cli("HKEYS", key)).split("\n").toSorted();
      expect(fields).toEqual(["o0", "v"]);
      expect(Number(await server.cli("TTL", key))).toBeGreaterThan(90);
    });

    test("damaged bytes are corrupt, and no update is made on them", async () => {
      const bundleId = randomUUID();
      const store = open(bundleId);
      await store.update([touch("u", 0n)]);
      await server.cli("HSET", `marquetry:${bundleId}:{u}`, "h", "damaged");
      await expect(store.read(["u"])).rejects.toMatchObject({ code: "corrupt" });
      await expect(store.update([touch("u", 1n)])).rejects.toMatchObject({ code: "corrupt" });
    });

    test("a foreign value under the key is a mistake, not an outage", async () => {
      const bundleId = randomUUID();
      await server.cli("SET", `marquetry:${bundleId}:{u}`, "x");
      await expect(open(bundleId).read(["u"])).rejects.toMatchObject({ code: "internal" });
    });

    test("a changed half-life decays from now on and keeps what there was", async () => {
      const bundleId = randomUUID();
      const [hourly, slower] = [open(bundleId, 1_000), open(bundleId, 10_000)];
      await hourly.addPopularity({ partition: 0, offset: 0n }, [
        { productId: "p", weight: 8, occurredAtMs: 0 },
      ]);
      await slower.addPopularity({ partition: 0, offset: 1n }, [
        { productId: "q", weight: 1, occurredAtMs: 2_000 },
      ]);
      // 8 halved twice under the old half-life, then once under the new one.
      expect(Array.from(await slower.popularity(["p", "q"], 2_000))).toEqual([2, 1]);
      expect(Array.from(await hourly.popularity(["p", "q"], 12_000))).toEqual([1, 0.5]);
    });

    test("clear() finds every key among those of others, in several batches", async () => {
      const [store, other] = [open(randomUUID()), open(randomUUID())];
      const users = Array.from({ length: 1_500 }, (_, i) => touch(`u${i}`, 0n));
      await Promise.all([store.update(users), other.update(users)]);
      await store.clear();

      const ids = users.map(({ userId }) => userId);
      expect((await store.read(ids)).filter((profile) => profile !== undefined)).toEqual([]);
      expect((await other.read(ids)).filter((profile) => profile === undefined)).toEqual([]);
    });

    test("a closed store is unavailable and closes once more without complaint", async () => {
      const store = open(randomUUID());
      await store.ping();
      await store.close();
      await store.close();
      await expect(store.ping()).rejects.toMatchObject({ code: "unavailable" });

      const never = open(randomUUID());
      await never.close();
      await expect(never.ping()).rejects.toMatchObject({ code: "unavailable" });
    });
  });
}

/** A cluster checks that the keys of a script are declared and lie in one slot. */
function describeCluster(): void {
  describe("profile store on Redis Cluster", () => {
    let server: Server;
    beforeAll(async () => {
      server = await createRedisServer([
        "--cluster-enabled",
        "yes",
        "--cluster-announce-ip",
        "127.0.0.1",
      ]);
      await server.start();
      await server.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
      await until("the cluster is complete", async () =>
        (await server.cli("CLUSTER", "INFO")).includes("cluster_state:ok"),
      );
    });
    afterAll(() => server.remove());

    describeProfileStore("contract", (options) =>
      createRedisProfileStore(`redis://127.0.0.1:${server.port}?cluster=true`, options),
    );

    test("a cluster that is down is unavailable in time, and back is found again without help", async () => {
      const store = createRedisProfileStore(`redis://127.0.0.1:${server.port}?cluster=true`, {
        bundleId: randomUUID(),
        ttlSeconds: 100,
        popularityHalfLifeMs: 1_000,
        popularityProductsMax: 100,
      });
      await store.update([touch("u", 0n)]);
      await server.kill();
      for (const call of [() => store.read(["u"]), () => store.update([touch("u", 1n)])]) {
        const before = Date.now();
        await expect(call()).rejects.toMatchObject({ code: "unavailable" });
        expect(Date.now() - before).toBeLessThan(3_000);
      }
      await server.start();
      await until("the store answers", () => succeeds(store.update([touch("u", 1n)])));
      expect((await store.read(["u"]))[0]!.history).toHaveLength(2);
      await store.close();
    });
  });
}

function touch(userId: string, offset: bigint): ProfileUpdate {
  return {
    userId,
    source: { partition: 0, offset },
    change: ({ history }) => ({
      history: [
        ...history,
        { eventId: `e${offset}`, productId: "p", action: "view", occurredAtMs: 1_000 },
      ],
      interests: [Float32Array.of(1, 2)],
    }),
  };
}

async function createRedisServer(args: readonly string[]): Promise<Server> {
  const port = await freePort();
  const folder = await temporaryFolder();
  let child: ChildProcess | undefined;

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  return {
    port,
    kill,
    async start() {
      const settings = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder.directory];
      const durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
      child = spawn("redis-server", [...settings, ...durable, ...args], { stdio: "ignore" });
      await until("the server answers", () =>
        cli(port, "PING").then(
          (reply) => reply === "PONG",
          () => false,
        ),
      );
    },
    cli: (...command) => cli(port, ...command),
    async remove() {
      await kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function cli(port: number, ...command: string[]): Promise<string> {
  const { stdout } = await run("redis-cli", ["-p", String(port), ...command]);
  return stdout.trim();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function succeeds(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}
