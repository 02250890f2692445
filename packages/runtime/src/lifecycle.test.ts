import { describe, expect, test } from "@jest/globals";
import { Closers, startService } from "./lifecycle.js";
import type { ServiceContext } from "./lifecycle.js";

const config = { HTTP_PORT: 0, LOG_LEVEL: "silent" };
const never = (error: unknown): never => {
  throw error;
};

describe("closers", () => {
  test("run in reverse order, each after the one before has ended", async () => {
    const closers = new Closers();
    const order: string[] = [];
    for (const name of ["client", "consumer", "server"]) {
      closers.add(name, async () => {
        order.push(`${name} begins`);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(`${name} ends`);
      });
    }
    await closers.closeAll(never);
    expect(order).toEqual([
      "server begins",
      "server ends",
      "consumer begins",
      "consumer ends",
      "client begins",
      "client ends",
    ]);
  });

  test("one that fails is reported and stops no other", async () => {
    const closers = new Closers();
    const order: string[] = [];
    closers.add("first", () => void order.push("first"));
    closers.add("thrower", () => {
      throw new Error("at once");
    });
    closers.add("rejecter", () => Promise.reject(new Error("later")));
    closers.add("last", () => void order.push("last"));
    const failures: unknown[] = [];
    await closers.closeAll((name, error) => failures.push([name, (error as Error).message]));
    expect(order).toEqual(["last", "first"]);
    expect(failures).toEqual([
      ["rejecter", "later"],
      ["thrower", "at once"],
    ]);
  });

  test("a second call closes nothing twice and waits for the first", async () => {
    const closers = new Closers();
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    closers.add("client", () => void order.push("client"));
    closers.add("consumer", async () => {
      await gate.promise;
      order.push("consumer");
    });
    const first = closers.closeAll(never);
    const second = closers.closeAll(never).then(() => order.push("second call"));
    gate.resolve();
    await Promise.all([first, second]);
    await closers.closeAll(never);
    expect(order).toEqual(["consumer", "client", "second call"]);
  });
});

describe("a service", () => {
  const ask = async (port: number) =>
    (await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()) as object;

  test("is unready until its start has ended, then ready with its own checks", async () => {
    const port = await freePort();
    let during: object | undefined;
    const service = await startService(
      "lifecycle-test",
      { ...config, HTTP_PORT: port },
      async (_, { readiness }) => {
        readiness.set("bus", () => undefined);
        during = await ask(port);
      },
      never,
    );
    const after = await ask(port);
    await service.close();
    expect(during).toMatchObject({ ready: false, checks: { start: "not started yet" } });
    expect(after).toEqual({ ready: true, degraded: false, checks: { bus: "ok" } });
  });

  test("closes what it opened before its health server, which tells of the end", async () => {
    let during: object | undefined;
    const port = await freePort();
    const service = await startService(
      "lifecycle-test",
      { ...config, HTTP_PORT: port },
      async (_, { closers }) => {
        closers.add("part", async () => {
          during = await ask(port);
        });
      },
      never,
    );
    await service.close();
    expect(during).toMatchObject({ ready: false, checks: { shutdown: "in progress" } });
    await expect(ask(port)).rejects.toThrow("fetch failed");
  });

  test("a resource is pinged for readiness, an optional one for degradation, and closed in reverse", async () => {
    const order: string[] = [];
    const open = (name: string, ping: () => Promise<void>) => ({
      ping,
      close: async () => void order.push(name),
    });
    const away = () => Promise.reject(new Error("away"));
    const port = await freePort();
    const service = await startService(
      "lifecycle-test",
      { ...config, HTTP_PORT: port },
      async (_, { resource }) => {
        const bus = open("bus", async () => undefined);
        expect(resource("bus", bus)).toBe(bus);
        resource("cache", open("cache", away), "optional");
      },
      never,
    );
    const optionalAway = await ask(port);
    await service.close();
    expect(optionalAway).toEqual({
      ready: true,
      degraded: true,
      checks: { bus: "ok", cache: "away" },
    });
    expect(order).toEqual(["cache", "bus"]);
  });

  test("a start that fails leaves nothing open and throws its own error", async () => {
    const order: string[] = [];
    const failure = new Error("the bus is away");
    const port = await freePort();
    const starting = startService(
      "lifecycle-test",
      { ...config, HTTP_PORT: port },
      async (_, { closers }) => {
        closers.add("client", () => void order.push("client"));
        closers.add("broken", () => Promise.reject(new Error("does not close")));
        closers.add("workers", () => void order.push("workers"));
        throw failure;
      },
      never,
    );
    await expect(starting).rejects.toBe(failure);
    expect(order).toEqual(["workers", "client"]);
    await expect(ask(port)).rejects.toThrow("fetch failed");
  });

  test("a part that fails later ends the service through `fail`", async () => {
    const failures: unknown[] = [];
    let failed: ServiceContext["fail"] | undefined;
    const service = await startService(
      "lifecycle-test",
      config,
      async (_, context) => {
        failed = context.fail;
      },
      (error) => failures.push(error),
    );
    failed?.("gone");
    await service.close();
    expect(failures).toEqual(["gone"]);
  });
});

async function freePort(): Promise<number> {
  const service = await startService("port", config, async () => undefined, never);
  await service.close();
  return service.healthPort;
}
