import { afterEach, describe, expect, test } from "@jest/globals";
import { startHealthServer } from "../src/health.js";
import type { HealthCheck, HealthServer } from "../src/health.js";
import { createMetrics } from "../src/telemetry.js";

const opened: HealthServer[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

async function serve(
  readiness: Record<string, HealthCheck> = {},
  degradation: Record<string, HealthCheck> = {},
) {
  const metrics = createMetrics("health-test");
  const server = await startHealthServer({
    port: 0,
    metrics,
    readiness: new Map(Object.entries(readiness)),
    degradation: new Map(Object.entries(degradation)),
  });
  opened.push(server);
  const ask = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);
  const ready = async () => {
    const response = await ask("/readyz");
    return { status: response.status, body: await response.json() };
  };
  return { server, metrics, ask, ready };
}

const fine = (): void => undefined;
const broken = (): never => {
  throw new Error("connection refused", { cause: new Error("ECONNREFUSED") });
};

describe("health over HTTP", () => {
  test("a service whose checks all pass is ready and not degraded", async () => {
    const { ready } = await serve({ bus: fine, index: async () => fine() }, { profiles: fine });
    expect(await ready()).toEqual({
      status: 200,
      body: {
        ready: true,
        degraded: false,
        checks: { bus: "ok", index: "ok", profiles: "ok" },
      },
    });
  });

  test("a readiness check that fails makes it unready, with the reason and its cause", async () => {
    const { ready } = await serve({ bus: broken, index: fine });
    expect(await ready()).toEqual({
      status: 503,
      body: {
        ready: false,
        degraded: false,
        checks: { bus: "connection refused: ECONNREFUSED", index: "ok" },
      },
    });
  });

  test("what the service can do without degrades it and leaves it ready", async () => {
    const { ready } = await serve({ index: fine }, { profiles: async () => broken() });
    expect(await ready()).toMatchObject({ status: 200, body: { ready: true, degraded: true } });
  });

  test("checks run anew each time: what heals is ready again", async () => {
    let check: HealthCheck = broken;
    const { ready } = await serve({ bus: () => check() });
    expect(await ready()).toMatchObject({ status: 503 });
    check = fine;
    expect(await ready()).toMatchObject({ status: 200 });
  });

  test("a check that hangs is given up after 2 s, and others are still reported", async () => {
    const { ready } = await serve({ bus: () => new Promise<never>(() => undefined), index: fine });
    const started = performance.now();
    expect(await ready()).toMatchObject({
      status: 503,
      body: { checks: { bus: "no answer within 2000 ms", index: "ok" } },
    });
    expect(performance.now() - started).toBeGreaterThan(1_900);
  });

  test("while draining it is unready whatever the checks say, and still live", async () => {
    const { server, ready, ask } = await serve({ bus: fine });
    server.markUnready();
    expect(await ready()).toMatchObject({
      status: 503,
      body: { ready: false, checks: { bus: "ok", shutdown: "in progress" } },
    });
    const live = await ask("/livez");
    expect([live.status, await live.json()]).toEqual([200, { live: true }]);
  });

  test("a dependency that is away does not make it dead", async () => {
    const { ask } = await serve({ bus: broken });
    expect((await ask("/livez")).status).toBe(200);
  });

  test("metrics are Prometheus text", async () => {
    const { ask, metrics } = await serve();
    metrics.counter("events_total", "Events").inc({}, 2);
    const response = await ask("/metrics?x=1");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    expect(await response.text()).toContain("marquetry_health_test_events_total 2\n");
  });

  test.each(["/", "/ready", "/livez/", "/metrics/x"])("%s is answered 404", async (path) => {
    const { ask } = await serve();
    const response = await ask(path);
    expect([response.status, await response.text()]).toEqual([
      404,
      "expected /livez, /readyz or /metrics\n",
    ]);
  });

  test("a port in use is an error, not a service without health", async () => {
    const { server } = await serve();
    const second = startHealthServer({
      port: server.port,
      metrics: createMetrics("second"),
      readiness: new Map(),
      degradation: new Map(),
    });
    await expect(second).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("after close the port is free, also with a kept-alive connection", async () => {
    const { server, ask } = await serve();
    await (await ask("/livez")).text();
    await server.close();
    await expect(ask("/livez")).rejects.toThrow("fetch failed");
  });
});
