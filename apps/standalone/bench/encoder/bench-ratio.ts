import { readFile } from "node:fs/promises";
import type { EncoderPorts } from "@marquetry/encoder/ports";
import { cosine } from "@marquetry/model/vectors/vector";
import { openBareLoop } from "./bare.js";
import { openThroughput, startEncoderService } from "./service.js";
import { defaultEncoderDirectory, openDefaultEncoder, openMemoryBus } from "./setting.js";
import type { EncoderBench, Modality } from "./setting.js";
import { photoChange, textChange } from "./workload.js";

/** Odd numbers, for the median. */
const PASSES = 5;
const PASSES_QUICK = 3;
/** Contents that the bare loop takes at once: pictures in batches like the service's; texts of this
 * graph go one by one on both sides. */
const BARE_TASK = { text: 16, image: 4 };

interface Cost {
  readonly seconds: number;
  /** Of all threads. */
  readonly cpuSeconds: number;
}

/** Service and bare loop by turns, each over all contents, so that what else the machine does hits
 * both; what counts is the pass in the middle. */
export async function benchRatio(
  bench: EncoderBench,
  modality: Modality,
  contents: readonly string[],
): Promise<void> {
  const { workers, data, progress, report } = bench;
  const passes = bench.quick ? PASSES_QUICK : PASSES;
  const toChange = modality === "text" ? textChange : photoChange;
  const encoder = await openDefaultEncoder(bench, modality);
  const directory = defaultEncoderDirectory(bench, modality);
  const bare = await openBareLoop(directory, workers, BARE_TASK[modality]);
  const bus = openMemoryBus();
  const encoders: EncoderPorts["encoders"] = new Map([[modality, encoder]]);
  // A cache that has forgotten a content by the time that it comes again.
  const service = await startEncoderService(bus, encoders, { data, cacheMegabytes: 1 });
  const throughput = await openThroughput(bus);
  const costs: { readonly bare: Cost; readonly service: Cost }[] = [];
  let vectors: Float32Array[] = [];
  try {
    // Past the cache. Both have allocated what they need afterwards.
    const warm = contents.slice(0, 16 * workers);
    await bare.encode(warm);
    await encoder.encode(modality === "text" ? warm : await Promise.all(warm.map(readBytes)));
    for (let pass = 1; pass <= passes; pass += 1) {
      const changes = contents.map((content, i) => toChange(content, `${modality}-${i}`, pass));
      const encodedBefore = encoder.encodedTotal();
      const runBare = () => measure(async () => (vectors = await bare.encode(contents)));
      const runService = () => measure(() => throughput.run(changes));
      const first = pass % 2 === 0 ? await runService() : undefined;
      const bareCost = await runBare();
      const serviceCost = first ?? (await runService());
      const encoded = encoder.encodedTotal() - encodedBefore;
      if (encoded !== contents.length)
        throw new Error(`${encoded} of ${contents.length} were encoded`);
      costs.push({ bare: bareCost, service: serviceCost });
      progress(
        `${modality} ${pass}/${passes}: bare ${describe(bareCost)}, service ${describe(serviceCost)}`,
      );
    }
  } finally {
    await service.close();
    await bus.close();
    await encoder.close();
    await bare.close();
  }
  const ratios = costs.map((cost) => cost.bare.seconds / cost.service.seconds);
  const alike = vectors.map((vector, i) =>
    cosine(vector, throughput.vectorOf(`${modality}-${i}`)!),
  );
  const rate = (side: "bare" | "service"): number =>
    Math.round(contents.length / median(costs.map((cost) => cost[side].seconds)));
  report({
    name: `encoder.${modality}.service_to_bare`,
    value: median(ratios),
    unit: "ratio",
    goal: ">= 0.9",
    context: {
      contents: contents.length,
      passes: ratios.map((ratio) => ratio.toFixed(2)).join(" "),
      bare_per_s: rate("bare"),
      service_per_s: rate("service"),
      least_cosine_to_bare: Number(Math.min(...alike).toFixed(4)),
    },
  });
  report({
    name: `encoder.${modality}.service_to_bare_cpu`,
    value: median(costs.map((cost) => cost.bare.cpuSeconds / cost.service.cpuSeconds)),
    unit: "ratio",
    context: {
      meaning: "as above in CPU seconds of all threads, which a busy machine changes less",
    },
  });
}

function readBytes(path: string): Promise<Uint8Array> {
  return readFile(path);
}

async function measure(work: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return {
    seconds: (performance.now() - started) / 1_000,
    cpuSeconds: (user + system) / 1e6,
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function describe({ seconds, cpuSeconds }: Cost): string {
  return `${seconds.toFixed(2)} s (CPU ${cpuSeconds.toFixed(2)} s)`;
}
