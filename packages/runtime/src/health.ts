/** `/livez`, `/readyz` and `/metrics` over HTTP. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describeError } from "./errors.js";
import type { Metrics } from "./telemetry.js";

/** Resolves when the part works, throws what is wrong with it. */
export type HealthCheck = () => Promise<void> | void;

const CHECK_MS_MAX = 2_000;

export interface HealthServer {
  readonly port: number;
  /** From now on `/readyz` answers 503, whatever the checks say. */
  markUnready(): void;
  close(): Promise<void>;
}

export interface HealthServerOptions {
  /** 0 takes a free port. */
  readonly port: number;
  readonly metrics: Metrics;
  /** What must work for the service to take traffic, by name. */
  readonly readiness: ReadonlyMap<string, HealthCheck>;
}

/**
 * `/livez` answers 200 while the event loop turns. `/readyz` runs every check (2 s each at most) and
 * answers 200 or 503 with `{ ready, checks: { name: "ok" | reason } }`. `/metrics` is Prometheus text.
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  let draining = false;
  const server = createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    const send = (status: number, type: string, body: string): void => {
      response.writeHead(status, { "content-type": type }).end(body);
    };
    if (path === "/livez") {
      send(200, "application/json", '{"live":true}');
    } else if (path === "/readyz") {
      void readiness(options.readiness, draining).then(({ ready, checks }) =>
        send(ready ? 200 : 503, "application/json", JSON.stringify({ ready, checks })),
      );
    } else if (path === "/metrics") {
      options.metrics.expose().then(
        ({ contentType, body }) => send(200, contentType, body),
        (error: unknown) => send(500, "text/plain", describeError(error)),
      );
    } else {
      send(404, "text/plain", "expected /livez, /readyz or /metrics\n");
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    markUnready() {
      draining = true;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function readiness(
  checks: ReadonlyMap<string, HealthCheck>,
  draining: boolean,
): Promise<{ ready: boolean; checks: Record<string, string> }> {
  const results = await Promise.all(
    [...checks].map(async ([name, check]) => [name, await outcome(check)] as const),
  );
  if (draining) results.push(["shutdown", "in progress"]);
  return {
    ready: results.every(([, result]) => result === "ok"),
    checks: Object.fromEntries(results),
  };
}

async function outcome(check: HealthCheck): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${CHECK_MS_MAX} ms`), CHECK_MS_MAX);
  });
  const checked = Promise.resolve()
    .then(check)
    .then(() => "ok", describeError);
  return Promise.race([checked, late]).finally(() => clearTimeout(timer));
}
