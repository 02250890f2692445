import { readFile } from "node:fs/promises";
import type { EncoderPorts } from "@marquetry/encoder/ports";
import type { Encoder } from "@marquetry/inference/encoder";
import { cosine } from "@marquetry/model/vectors/vector";
import type { Report } from "../report/metrics.js";
import { openBareLoop } from "./bare.js";
import type { BareLoop } from "./bare.js";
import { openThroughput, startEncoderService } from "./service.js";
import type { Throughput } from "./service.js";
import { defaultEncoderDirectory, openDefaultEncoder, openMemoryBus } from "./setting.js";
import type { EncoderBench, Modality } from "./setting.js";
import { photoChange, textChange } from "./workload.js";

/** Odd numbers, for the median. */
const PASSES = 5;
const PASSES_QUICK = 3;
/** Contents of one task of the bare loop: pictures in batches like the service's; texts of this
 * graph go one by one on both sides. */
const BARE_TASK = { text: 16, image: 4 };

interface Cost {
  readonly seconds: number;
  /** Of all threads. */
  readonly cpuSeconds: number;
}

/** What one pass of each cost. */
interface Pass {
  readonly bare: Cost;
  readonly service: Cost;
}

/** The service and the bare loop in alternation, each over all contents, so that what else the
 * machine does hits both. The pass in the middle counts. */
export async function benchRatio(
  bench: EncoderBench,
  modality: Modality,
  contents: readonly string[],
): Promise<void> {
  const { workers, data, report } = bench;
  const encoder = await openDefaultEncoder(bench, modality);
  const directory = defaultEncoderDirectory(bench, modality);
  const bare = await openBareLoop(directory, workers, BARE_TASK[modality]);
  const bus = openMemoryBus();
  const encoders: EncoderPorts["encoders"] = new Map([[modality, encoder]]);
  // A cache that has forgotten a content by the time that it comes again.
  const service = await startEncoderService(bus, encoders, { data, cacheMegabytes: 1 });
  const throughput = await openThroughput(bus);
  try {
    // Past the cache. Both have allocated what they need afterwards.
    const warm = contents.slice(0, 16 * workers);
    await bare.encode(warm);
    await encoder.encode(modality === "text" ? warm : await Promise.all(warm.map(readBytes)));
    const { passes, vectors } = await runPasses(bench, contents, { encoder, bare, throughput });
    const cosines = vectors.map((vector, i) =>
      cosine(vector, throughput.vectorOf(`${modality}-${i}`)!),
    );
    reportRatio(report, { modality, contents: contents.length, passes, cosines });
  } finally {
    await service.close();
    await bus.close();
    await encoder.close();
    await bare.close();
  }
}
interface Compared {
  readonly encoder: Encoder;
  readonly bare: BareLoop;
  readonly throughput: Throughput;
}

/** Every pass, and the vectors of the bare loop. */
async function runPasses(
  { quick, progress }: EncoderBench,
  contents: readonly string[],
  { encoder, bare, throughput }: Compared,
): Promise<{ readonly passes: readonly Pass[]; readonly vectors: readonly Float32Array[] }> {
  const { modality } = encoder.manifest;
  const toChange = modality === "text" ? textChange : photoChange;
  const count = quick ? PASSES_QUICK : PASSES;
  const passes: Pass[] = [];
  let vectors: Float32Array[] = [];
  for (let pass = 1; pass <= count; pass += 1) {
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
    passes.push({ bare: bareCost, service: serviceCost });
    progress(
      `${modality} ${pass}/${count}: bare ${describe(bareCost)}, service ${describe(serviceCost)}`,
    );
  }
  return { passes, vectors };
}

interface Comparison {
  readonly modality: Modality;
  readonly contents: number;
  readonly passes: readonly Pass[];
  /** Of each vector of the service to that of the bare loop. */
  readonly cosines: readonly number[];
}

function reportRatio(report: Report, { modality, contents, passes, cosines }: Comparison): void {
  const ratios = passes.map(({ bare, service }) => bare.seconds / service.seconds);
  const rate = (side: keyof Pass): number =>
    Math.round(contents / median(passes.map((pass) => pass[side].seconds)));
  report({
    name: `encoder.${modality}.service_to_bare`,
    value: median(ratios),
    unit: "ratio",
    goal: ">= 0.9",
    context: {
      contents,
      passes: ratios.map((ratio) => ratio.toFixed(2)).join(" "),
      bare_per_s: rate("bare"),
      service_per_s: rate("service"),
      least_cosine_to_bare: Number(Math.min(...cosines).toFixed(4)),
    },
  });
  report({
    name: `encoder.${modality}.service_to_bare_cpu`,
    value: median(passes.map(({ bare, service }) => bare.cpuSeconds / service.cpuSeconds)),
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
