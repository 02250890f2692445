/** Services in processes of their own, as they are deployed. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { BUNDLE_FILES, encodeBundle } from "@marquetry/model/bundle/codec";
import type { Bundle } from "@marquetry/model/bundle";
import { createLogger } from "@marquetry/runtime/logger";
import { runNode } from "@marquetry/testing/node-process";
import type { ServiceName } from "../src/platform.js";

const APPS = new URL("../../../", import.meta.url);

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
  const { child, wrote, ended } = runNode(new URL(`${service}/dist/src/main.js`, APPS), {
    PATH: process.env["PATH"],
    HOME: process.env["HOME"],
    HTTP_PORT: "0",
    GRPC_PORT: "0",
    ...environment,
  });
  const [started, healthPort] = await wrote(/^[^]*"healthPort":(\d+),"msg":"started"/);
  const grpcPort = /"grpcPort":(\d+)/.exec(started)?.[1];
  return {
    healthPort: Number(healthPort),
    grpcPort: Number(grpcPort ?? 0),
    async readyz() {
      const answer = await fetch(`http://127.0.0.1:${healthPort}/readyz`);
      return (await answer.json()) as Awaited<ReturnType<ServiceProcess["readyz"]>>;
    },
    async terminate() {
      child.kill("SIGTERM");
      return (await ended).code;
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
