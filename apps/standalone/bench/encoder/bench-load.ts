/** The service under load without an end: how long a caller of the online door waits, and whether
 * memory stays where it is. */
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { setTimeout as pause } from "node:timers/promises";
import { toBinary } from "@bufbuild/protobuf";
import { EncoderService } from "@marquetry/contracts/encoder/encoder_service_pb";
import { ProductChangeSchema } from "@marquetry/contracts/events/product_pb";
import type { EncoderPorts } from "@marquetry/encoder/ports";
import { createGrpcClient } from "@marquetry/grpc/client";
import { createEndlessBus } from "./endless-bus.js";
import { startEncoderService, watchDelay } from "./service.js";
import { openDefaultEncoder } from "./setting.js";
import type { EncoderBench } from "./setting.js";
import { change } from "./workload.js";

const CALLS_PER_SECOND = 20;
/** Every so many calls bring a picture. */
const PICTURE_EVERY = 5;
const MEGABYTE = 1_048_576;
const QUERIES = ["red running shoes", "waterproof jacket", "cutting disc for stone", "yoga mat"];

/** Two workers of each encoder, whatever the cores: that is what the bound on memory is for. */
const MEMORY_WORKERS = 2;

export async function benchLoad(
  bench: EncoderBench,
  texts: readonly string[],
  photos: readonly string[],
): Promise<void> {
  const two = { ...bench, workers: MEMORY_WORKERS };
  const text = await openDefaultEncoder(two, "text");
  const image = await openDefaultEncoder(two, "image");
  const encoders: EncoderPorts["encoders"] = new Map([
    ["text", text],
    ["image", image],
  ]);
  try {
    await benchDoor(bench, encoders, texts, photos);
    await benchMemory(bench, encoders, photos);
  } finally {
    await Promise.all([text.close(), image.close()]);
  }
}

/** Products with a text and a photo each, none of which the cache knows. */
function products(texts: readonly string[], photos: readonly string[]) {
  return (at: number): Uint8Array => {
    const title = `${at}. ${texts[at % texts.length]}`;
    const url = pathToFileURL(photos[at % photos.length]!).href;
    return toBinary(ProductChangeSchema, change(`product-${at}`, 1, { title, images: [{ url }] }));
  };
}

/** Another file with the same picture, since what follows its end is not looked at. */
function distinct(picture: Uint8Array, at: number): Uint8Array {
  return Buffer.concat([picture, Buffer.from(String(at))]);
}

async function benchDoor(
  { quick, data, progress, report }: EncoderBench,
  encoders: EncoderPorts["encoders"],
  texts: readonly string[],
  photos: readonly string[],
): Promise<void> {
  const pictures = await Promise.all(photos.slice(0, 20).map((path) => readFile(path)));
  const bus = createEndlessBus(products(texts, photos));
  // So small that photos which come again are encoded again.
  const service = await startEncoderService(bus, encoders, { data, cacheMegabytes: 1 });
  const client = createGrpcClient(EncoderService, `127.0.0.1:${service.grpcPort}`);
  const delay = watchDelay();
  const waits: Record<"text" | "image", number[]> = { text: [], image: [] };
  let refused = 0;
  try {
    await bus.reached(128);
    const seconds = quick ? 10 : 30;
    const calls: Promise<void>[] = [];
    const before = { answered: bus.answered(), at: performance.now() };
    await delay.during(async () => {
      for (let i = 0; i < seconds * CALLS_PER_SECOND; i += 1) {
        const withPicture = i % PICTURE_EVERY === 0;
        const modality = withPicture ? "image" : "text";
        const content = withPicture
          ? { case: "image" as const, value: distinct(pictures[i % pictures.length]!, i) }
          : { case: "text" as const, value: `${QUERIES[i % QUERIES.length]} ${i}` };
        const started = performance.now();
        calls.push(
          client.calls.encode({ content }).then(
            () => void waits[modality].push(performance.now() - started),
            () => void (refused += 1),
          ),
        );
        await pause(1_000 / CALLS_PER_SECOND);
      }
      await Promise.all(calls);
    });
    const bulk = (bus.answered() - before.answered) / ((performance.now() - before.at) / 1_000);
    progress(`door: ${calls.length} calls, ${refused} refused, ${bulk.toFixed(1)} products/s`);
    for (const modality of ["text", "image"] as const) {
      report({
        name: `encoder.door.${modality}_p99_under_bulk_load`,
        value: percentile(waits[modality], 99),
        unit: "ms",
        goal: modality === "text" ? "< 250" : "< 1500",
        context: {
          calls: waits[modality].length,
          p50_ms: Math.round(percentile(waits[modality], 50)),
          refused,
          bulk_products_per_s: Number(bulk.toFixed(1)),
          calls_per_s: CALLS_PER_SECOND,
          service_workers: MEMORY_WORKERS,
        },
      });
    }
    report({
      name: "encoder.full_load.event_loop_delay_p99",
      value: delay.p99Ms(),
      unit: "ms",
      goal: "< 20",
      context: { max_ms: Math.round(delay.maxMs()) },
    });
  } finally {
    client.close();
    await service.close();
    await bus.close();
  }
}

async function benchMemory(
  { encodes, data, progress, report }: EncoderBench,
  encoders: EncoderPorts["encoders"],
  photos: readonly string[],
): Promise<void> {
  const samples: { readonly encodes: number; readonly megabytes: number; readonly live: number }[] =
    [];
  // Photos came before, in the door's benchmark: what their batches need is allocated.
  const bus = createEndlessBus((at) =>
    toBinary(ProductChangeSchema, change(`product-${at}`, 1, { title: `shoe ${at}` })),
  );
  const service = await startEncoderService(bus, encoders, { data, cacheMegabytes: 4 });
  const collect = garbageCollector();
  try {
    const step = encodes / 50;
    for (let done = step; done <= encodes; done += step) {
      await bus.reached(done);
      collect();
      const { rss, heapUsed } = process.memoryUsage();
      samples.push({
        encodes: bus.answered(),
        megabytes: rss / MEGABYTE,
        live: heapUsed / MEGABYTE,
      });
      if (done % (10 * step) === 0)
        progress(`memory: ${done} encodes, ${samples.at(-1)?.megabytes.toFixed(0)} MB`);
    }
  } finally {
    await service.close();
    await bus.close();
  }
  // The cache and the arenas fill up first.
  const steady = samples.slice(Math.floor(samples.length / 5));
  report({
    name: "encoder.memory.slope",
    value: slope(steady.map((sample) => [sample.encodes / 10_000, sample.megabytes] as const)),
    unit: "MB per 10,000 encodes",
    goal: "<= 1",
    context: {
      encodes,
      first_mb: Math.round(steady[0]?.megabytes ?? 0),
      last_mb: Math.round(steady.at(-1)?.megabytes ?? 0),
      least_mb: Math.round(Math.min(...steady.map(({ megabytes }) => megabytes))),
      most_mb: Math.round(Math.max(...steady.map(({ megabytes }) => megabytes))),
      // Of the main thread, after collection: what a leak of ours would show in.
      live_heap_first_mb: Number(steady[0]?.live.toFixed(1)),
      live_heap_last_mb: Number(steady.at(-1)?.live.toFixed(1)),
    },
  });
  report({
    name: "encoder.memory.resident_max",
    value: Math.max(...samples.map(({ megabytes }) => megabytes)),
    unit: "MB",
    goal: "< 900",
    context: { service_workers: MEMORY_WORKERS, photos_before: photos.length },
  });
}

/** Memory that is only not collected yet is no growth. */
function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? NaN;
}

/** Of the line that fits best by least squares. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}
