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
  /** What the service can do without, though less well, by name. */
  readonly degradation: ReadonlyMap<string, HealthCheck>;
}

/**
 * `/livez` answers 200 while the event loop turns. `/readyz` runs every check (2 s each at most) and
 * answers 200 or 503 with `{ ready, degraded, checks: { name: "ok" | reason } }`: 503 where a check of
 * `readiness` fails. `/metrics` is Prometheus text.
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
      void readiness(options, draining).then((answer) =>
        send(answer.ready ? 200 : 503, "application/json", JSON.stringify(answer)),
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

interface Readiness {
  readonly ready: boolean;
  readonly degraded: boolean;
  readonly checks: Readonly<Record<string, string>>;
}

async function readiness(
  options: Pick<HealthServerOptions, "readiness" | "degradation">,
  draining: boolean,
): Promise<Readiness> {
  const [required, optional] = await Promise.all([
    outcomes(options.readiness),
    outcomes(options.degradation),
  ]);
  if (draining) required.push(["shutdown", "in progress"]);
  return {
    ready: required.every(([, result]) => result === "ok"),
    degraded: optional.some(([, result]) => result !== "ok"),
    checks: Object.fromEntries([...required, ...optional]),
  };
}

function outcomes(checks: ReadonlyMap<string, HealthCheck>): Promise<[string, string][]> {
  return Promise.all([...checks].map(async ([name, check]) => [name, await outcome(check)]));
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
