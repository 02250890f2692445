/** Services in processes of their own, as they are deployed. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { BUNDLE_FILES, encodeBundle } from "@marquetry/model/bundle/codec";
import type { Bundle } from "@marquetry/model/bundle";
import { createLogger } from "@marquetry/runtime/logger";
import type { ServiceName } from "../src/platform.js";

const START_MS_MAX = 60_000;

export interface ServiceProcess {
  readonly healthPort: number;
  /** Of the gateway; 0 for the others. */
  readonly grpcPort: number;
  /** What `/readyz` answers. */
  readyz(): Promise<{ ready: boolean; degraded: boolean; checks: Record<string, string> }>;
  /** Sends SIGTERM and resolves with the exit status. */
  terminate(): Promise<number | null>;
}

/** Starts a service and resolves when it says that it has started. */
export async function startServiceProcess(
  service: ServiceName,
  environment: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  const child = spawn(process.execPath, [`apps/${service}/dist/src/main.js`], {
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      HTTP_PORT: "0",
      GRPC_PORT: "0",
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const { healthPort, grpcPort } = await untilStarted(service, child);
  return {
    healthPort,
    grpcPort,
    async readyz() {
      const answer = await fetch(`http://127.0.0.1:${healthPort}/readyz`);
      return (await answer.json()) as Awaited<ReturnType<ServiceProcess["readyz"]>>;
    },
    async terminate() {
      child.kill("SIGTERM");
      return exited;
    },
  };
}

/** Of the servers that the services were started with. */
export function openClients(environment: Readonly<Record<string, string>>, bundle: Bundle) {
  const { EVENT_BUS_URL = "", VECTOR_INDEX_URL = "", PROFILE_STORE_URL = "" } = environment;
  const { popularityHalfLifeMs } = bundle.ranking;
  return {
    bus: openEventBus(EVENT_BUS_URL, {
      clientId: "journey",
      logger: createLogger("journey", "silent"),
    }),
    index: openProductIndex(VECTOR_INDEX_URL),
    profiles: openProfileStore(PROFILE_STORE_URL, { bundleId: bundle.id, popularityHalfLifeMs }),
  };
}

/** For `BUNDLE_DIR`. */
export async function writeBundle(directory: string, bundle: Bundle): Promise<string> {
  const { manifest, weights } = await encodeBundle(bundle);
  await mkdir(directory);
  await writeFile(join(directory, BUNDLE_FILES.manifest), manifest);
  await writeFile(join(directory, BUNDLE_FILES.weights), weights);
  return directory;
}

interface Ports {
  readonly healthPort: number;
  readonly grpcPort: number;
}

function untilStarted(service: string, child: ChildProcess): Promise<Ports> {
  const output: string[] = [];
  let grpcPort = 0;
  return new Promise((resolve, reject) => {
    const fail = (): void =>
      reject(new Error(`${service} did not start:\n${output.slice(-20).join("\n")}`));
    const timer = setTimeout(fail, START_MS_MAX);
    child.once("exit", fail);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        output.push(line);
        const entry = line.startsWith("{")
          ? (JSON.parse(line) as Partial<Ports> & { msg?: string })
          : {};
        grpcPort = entry.grpcPort ?? grpcPort;
        if (entry.msg !== "started" || entry.healthPort === undefined) return;
        clearTimeout(timer);
        child.off("exit", fail);
        resolve({ healthPort: entry.healthPort, grpcPort });
      });
    }
  });
}
