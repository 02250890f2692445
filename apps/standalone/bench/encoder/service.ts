/** The encoder as it runs in production, on a bus of this process. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { EventBus } from "@marquetry/backends/event-bus";
import { ProductChangeSchema, ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductChange } from "@marquetry/contracts/events/product_pb";
import { PRODUCT_CHANGES, PRODUCT_EMBEDDINGS, TOPICS } from "@marquetry/contracts/topics";
import { startEncoder } from "@marquetry/encoder/app";
import type { EncoderPorts } from "@marquetry/encoder/ports";
import { readEncoderConfig } from "@marquetry/encoder/config";
import { vectorFromBytes } from "@marquetry/model/vectors/vector";
import { startService } from "@marquetry/runtime/lifecycle";

export interface EncoderService {
  readonly grpcPort: number;
  close(): Promise<void>;
}

export async function startEncoderService(
  bus: EventBus,
  encoders: EncoderPorts["encoders"],
  settings: { readonly data: string; readonly cacheMegabytes?: number },
): Promise<EncoderService> {
  const config = readEncoderConfig({
    EVENT_BUS_URL: "memory:",
    HTTP_PORT: "0",
    GRPC_PORT: "0",
    LOG_LEVEL: "warn",
    MEDIA_FILE_ROOT: settings.data,
    EMBEDDING_CACHE_MB: String(settings.cacheMegabytes ?? 256),
  });
  await bus.ensureTopics(TOPICS);
  let grpcPort = 0;
  const service = await startService(
    "encoder",
    config,
    async (_, context) => {
      grpcPort = await startEncoder(config, context, { bus, encoders });
    },
    (error) => {
      throw error;
    },
  );
  return { grpcPort, close: () => service.close() };
}

export interface Throughput {
  /** Publishes the changes and waits for a vector of each; seconds from the first to the last. */
  run(changes: readonly ProductChange[]): Promise<number>;
  /** The latest vector of a product. */
  vectorOf(productId: string): Float32Array | undefined;
}

/** Sends changes through a bus and sees the vectors come out. */
export async function openThroughput(bus: EventBus): Promise<Throughput> {
  const vectors = new Map<string, Uint8Array>();
  let missing = new Set<string>();
  let done: () => void = () => undefined;
  await bus.consume({
    topic: PRODUCT_EMBEDDINGS.name,
    group: "bench",
    async handler(records) {
      for (const { value } of records) {
        const { productId, state } = fromBinary(ProductEmbeddedSchema, value);
        const embeddings = state.case === "embedded" ? state.value.embeddings : [];
        for (const { vector } of embeddings) vectors.set(productId, vector);
        if (embeddings.length === 0) throw new Error(`${productId} has no vector`);
        missing.delete(productId);
      }
      if (missing.size === 0) done();
      return [];
    },
    onDeadLetter: ({ cause }) => {
      throw new Error(cause);
    },
  });
  return {
    async run(changes) {
      const records = changes.map((change) => ({
        key: PRODUCT_CHANGES.key(change),
        value: toBinary(ProductChangeSchema, change),
      }));
      missing = new Set(changes.map(({ productId }) => productId));
      const all = new Promise<void>((resolve) => {
        done = resolve;
      });
      const started = performance.now();
      await bus.publish(PRODUCT_CHANGES.name, records);
      await all;
      return (performance.now() - started) / 1_000;
    },
    vectorOf: (productId) => {
      const bytes = vectors.get(productId);
      return bytes === undefined ? undefined : vectorFromBytes(bytes);
    },
  };
}

export interface Delay {
  during<T>(work: () => Promise<T>): Promise<T>;
  /** The worst 99th percentile of all spans. */
  p99Ms(): number;
  maxMs(): number;
}

/** What the monitor measures includes its own period. */
const RESOLUTION_MS = 1;

/** How late the event loop of this thread is while work goes on. */
export function watchDelay(): Delay {
  const spans: { readonly p99: number; readonly max: number }[] = [];
  const worst = (of: "p99" | "max"): number =>
    Math.max(0, ...spans.map((span) => span[of] / 1e6 - RESOLUTION_MS));
  return {
    async during(work) {
      const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      monitor.enable();
      const result = await work();
      monitor.disable();
      spans.push({ p99: monitor.percentile(99), max: monitor.max });
      return result;
    },
    p99Ms: () => worst("p99"),
    maxMs: () => worst("max"),
  };
}
