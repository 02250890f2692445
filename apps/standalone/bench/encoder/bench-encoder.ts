/** The encoder's figures: issue by issue what it was built to reach, against what bounds it. */
import { join } from "node:path";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import { openEncoder } from "@marquetry/backends/inference";
import type { Encoder } from "@marquetry/backends/inference";
import type { ProductChange } from "@marquetry/contracts/events/product_pb";
import type { EncoderPorts } from "@marquetry/encoder/app";
import { cosine } from "@marquetry/model/vector";
import { DEFAULT_ENCODERS } from "@marquetry/model/zero-shot";
import { createLogger } from "@marquetry/runtime/logger";
import { readCatalogue, toProductChange } from "../../src/catalogue.js";
import type { Report } from "../figures.js";
import { openBareLoop } from "./bare.js";
import { benchLoad } from "./bench-load.js";
import { openThroughput, startEncoderService, watchDelay } from "./service.js";
import { photoChange, readPhotos, readTexts, textChange } from "./workload.js";

export interface EncoderBench {
  /** Folder of the public data. */
  readonly data: string;
  /** Folder of the encoders. */
  readonly models: string;
  /** Worker threads per encoder, and threads of the bare loop. */
  readonly workers: number;
  readonly quick: boolean;
  readonly progress: (line: string) => void;
  readonly report: Report;
}

export type Modality = "text" | "image";

const ROUNDS = 5;

/** Each part runs in a process of its own, so that none is measured with what another left. */
export const ENCODER_PARTS: Readonly<Record<string, (bench: EncoderBench) => Promise<void>>> = {
  text: async (bench) => benchRatio(bench, "text", await textsOf(bench)),
  image: async (bench) => benchRatio(bench, "image", await photosOf(bench)),
  rerun: benchCachedRerun,
  load: async (bench) => benchLoad(bench, await textsOf(bench), await readPhotos(bench.data, 700)),
};

function textsOf({ data, quick }: EncoderBench): Promise<string[]> {
  return readTexts(data, quick ? 400 : 2_000);
}

function photosOf({ data, quick }: EncoderBench): Promise<string[]> {
  return readPhotos(data, quick ? 160 : 700);
}

export function openDefaultEncoder(
  { models, workers }: EncoderBench,
  modality: Modality,
): Promise<Encoder> {
  return openEncoder({ directory: join(models, DEFAULT_ENCODERS[modality].encoder), workers });
}

function memoryBus() {
  return openEventBus("memory:", {
    clientId: "marquetry-bench",
    logger: createLogger("bench", "warn"),
  });
}

/** Service and bare loop by turns on the same contents, each once. */
async function benchRatio(
  bench: EncoderBench,
  modality: Modality,
  contents: readonly string[],
): Promise<void> {
  const { workers, data, models, progress, report } = bench;
  const toChange = modality === "text" ? textChange : photoChange;
  const encoder = await openDefaultEncoder(bench, modality);
  const bare = await openBareLoop(join(models, DEFAULT_ENCODERS[modality].encoder), workers);
  const bus = memoryBus();
  const encoders: EncoderPorts["encoders"] = new Map([[modality, encoder]]);
  const service = await startEncoderService(bus, encoders, { data });
  const throughput = await openThroughput(bus);
  const delay = watchDelay();
  const seconds = { service: 0, bare: 0 };
  const ratios: number[] = [];
  const slice = Math.ceil(contents.length / ROUNDS);
  const bareVectors: Float32Array[] = [];
  const idOf = (at: number): string => `${modality}-${at}`;
  try {
    // Both have allocated what they need when the first round begins.
    const warm = contents.slice(0, 4 * workers);
    await bare.encode(warm);
    await encoder.encode(modality === "text" ? warm : []);
    for (let round = 0; round < ROUNDS; round += 1) {
      const part = contents.slice(round * slice, (round + 1) * slice);
      const changes = part.map((content, i) => toChange(content, idOf(round * slice + i)));
      let bareSeconds = 0;
      let serviceSeconds = 0;
      const runBare = async (): Promise<void> => {
        const started = performance.now();
        bareVectors.push(...(await bare.encode(part)));
        bareSeconds = (performance.now() - started) / 1_000;
      };
      const runService = async (): Promise<void> => {
        serviceSeconds = await delay.during(() => throughput.run(changes));
      };
      const order = round % 2 === 0 ? [runBare, runService] : [runService, runBare];
      for (const run of order) await run();
      seconds.bare += bareSeconds;
      seconds.service += serviceSeconds;
      ratios.push(bareSeconds / serviceSeconds);
      progress(
        `${modality} ${round + 1}/${ROUNDS}: bare ${bareSeconds.toFixed(2)} s, service ${serviceSeconds.toFixed(2)} s`,
      );
    }
  } finally {
    await service.close();
    await bus.close();
    await encoder.close();
    await bare.close();
  }
  const alike = bareVectors.map((vector, i) => cosine(vector, throughput.vectorOf(idOf(i))!));
  report({
    name: `encoder.${modality}.service_to_bare`,
    value: seconds.bare / seconds.service,
    unit: "ratio",
    goal: ">= 0.9",
    context: {
      contents: contents.length,
      bare_per_s: Math.round(contents.length / seconds.bare),
      service_per_s: Math.round(contents.length / seconds.service),
      rounds: ratios.map((ratio) => ratio.toFixed(2)).join(" "),
      least_cosine_to_bare: Number(Math.min(...alike).toFixed(4)),
    },
  });
  report({
    name: `encoder.${modality}.event_loop_delay_p99`,
    value: delay.p99Ms(),
    unit: "ms",
    goal: "< 20",
    context: { max_ms: Math.round(delay.maxMs()) },
  });
}

/** The whole catalogue, then the whole catalogue again with every revision raised. */
async function benchCachedRerun(bench: EncoderBench): Promise<void> {
  const { data, progress, report } = bench;
  const products = await readCatalogue(join(data, "magento-luma"));
  const changes = (revision: number): ProductChange[] =>
    products.map((product) => toProductChange(product, { revision, occurredAtMs: Date.now() }));
  const text = await openDefaultEncoder(bench, "text");
  const image = await openDefaultEncoder(bench, "image");
  const bus = memoryBus();
  const encoders: EncoderPorts["encoders"] = new Map([
    ["text", text],
    ["image", image],
  ]);
  const service = await startEncoderService(bus, encoders, { data });
  try {
    const throughput = await openThroughput(bus);
    const first = await throughput.run(changes(1));
    const encoded = text.encodedTotal() + image.encodedTotal();
    const again = Math.min(
      await throughput.run(changes(2)),
      await throughput.run(changes(3)),
      await throughput.run(changes(4)),
    );
    progress(`catalogue: first ${first.toFixed(2)} s, again ${again.toFixed(2)} s`);
    report({
      name: "encoder.cached_rerun",
      value: first / again,
      unit: "times faster",
      goal: ">= 20",
      context: {
        products: products.length,
        first_s: Number(first.toFixed(2)),
        again_s: Number(again.toFixed(3)),
        encoded_first: encoded,
        encoded_again: text.encodedTotal() + image.encodedTotal() - encoded,
      },
    });
  } finally {
    await service.close();
    await bus.close();
    await Promise.all([text.close(), image.close()]);
  }
}
