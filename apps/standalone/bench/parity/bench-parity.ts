/** `npm run bench -- parity`: is what we measure what we serve? */
import { randomUUID } from "node:crypto";
import { productCollection } from "@marquetry/backends/product-index";
import { offlineAnswer, readParityData } from "@marquetry/learning/experiments/serving-parity";
import { featuresDirectory, modelsDirectory } from "@marquetry/runtime/directories";
import { startPlatform } from "../../src/platform.js";
import type { PlatformEnvironment } from "../../src/platform.js";
import type { Report } from "../report/metrics.js";
import { consumersSettled } from "./consumers.js";
import { measureParity } from "./parity.js";
import type { Parity } from "./parity.js";

interface ParityBenchOptions {
  readonly dataset: string;
  readonly bundle: string;
  readonly users: number;
  readonly textEncoder: string;
  readonly imageEncoder: string;
  /** The real servers, all three URLs; in process without. */
  readonly servers: PlatformEnvironment;
  readonly progress: (line: string) => void;
  readonly report: Report;
}

export async function benchParity(options: ParityBenchOptions): Promise<void> {
  const { dataset, users, textEncoder, imageEncoder, servers, progress, report } = options;
  const data = await readParityData(dataset, options.bundle, {
    modelsDirectory: modelsDirectory(process.env),
    featuresDirectory: featuresDirectory(process.env),
    textEncoder,
    imageEncoder,
    report: progress,
  });
  const { prepared, folder } = data;
  const { ordered, name } = prepared.dataset;
  for (const masked of ordered ? [false, true] : [true]) {
    // Before the services start, since it leaves the process no time for heartbeats.
    const offline = await offlineAnswer(data, { usersMax: users, masked });
    const id = `parity-${randomUUID().slice(0, 8)}`;
    const bus = servers["EVENT_BUS_URL"];
    const platform = await startPlatform({
      environment: {
        LOG_LEVEL: "error",
        GRPC_PORT: "0",
        ...servers,
        ...(bus !== undefined && { EVENT_BUS_URL: `${bus}?prefix=${id}.` }),
      },
      fail: (error) => progress(`a service failed: ${String(error)}`),
      bundle: folder.bundle,
      bundleId: id,
    });
    try {
      const settled = (): Promise<void> => consumersSettled(platform);
      const parity = await measureParity(offline, { platform, settled, progress });
      const policy = masked ? "masked" : "unmasked";
      reportParity(parity, `${name}/${policy}`, folder.bundle.id, report);
    } finally {
      await platform.profiles.clear();
      await platform.index.dropCollection(productCollection(id));
      await platform.close();
    }
  }
}

function reportParity(
  { users, metrics, overlap, degraded }: Parity,
  prefix: string,
  bundle: string,
  report: Report,
): void {
  const context = { users, bundle };
  for (const { name, served, offline } of metrics) {
    report({
      name: `${prefix}/${name}, |served - offline|`,
      value: Math.abs(served.value - offline.value),
      unit: "share",
      goal: `<= ${offline.standardError.toFixed(4)}`,
      context: {
        ...context,
        served: served.value.toFixed(4),
        offline: offline.value.toFixed(4),
        "standard error": offline.standardError.toFixed(4),
      },
    });
  }
  const listed = { name: `${prefix}/products in both lists of 20`, value: overlap.value };
  report({ ...listed, unit: "share", context });
  const answers = { name: `${prefix}/degraded answers`, value: degraded };
  report({ ...answers, unit: "answers", goal: "<= 0", context });
}
