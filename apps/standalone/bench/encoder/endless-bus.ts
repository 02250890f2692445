/** A bus without an end that stores nothing: endless load, and memory that is the service's own. */
import type {
  Consumer,
  ConsumedRecord,
  ConsumeOptions,
  EventBus,
} from "@marquetry/backends/event-bus";
import { PRODUCT_CHANGES, PRODUCT_EMBEDDINGS } from "@marquetry/contracts/topics";

export interface EndlessBus extends EventBus {
  /** Products that the service has answered. */
  answered(): number;
  /** Resolves when that many have been. */
  reached(count: number): Promise<void>;
}

/** @param next the value of a record by its number, from 0 */
export function createEndlessBus(next: (offset: number) => Uint8Array): EndlessBus {
  const consumers = new Set<Consumer>();
  const waiting = new Set<{ readonly count: number; readonly resolve: () => void }>();
  let answered = 0;
  let offset = 0;
  const record = (): ConsumedRecord => {
    const at = offset;
    offset += 1;
    return {
      topic: PRODUCT_CHANGES.name,
      partition: 0,
      offset: BigInt(at),
      key: `product-${at}`,
      value: next(at),
      headers: {},
    };
  };
  return {
    async ensureTopics() {},
    async publish(topic, records) {
      if (topic !== PRODUCT_EMBEDDINGS.name) return;
      answered += records.length;
      for (const each of waiting) {
        if (answered < each.count) continue;
        waiting.delete(each);
        each.resolve();
      }
    },
    async consume(options) {
      const consumer = startConsumer(options, record);
      consumers.add(consumer);
      return consumer;
    },
    async extent() {
      return [];
    },
    async ping() {},
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.close()));
    },
    answered: () => answered,
    reached: (count) =>
      answered >= count
        ? Promise.resolve()
        : new Promise((resolve) => void waiting.add({ count, resolve })),
  };
}

/** Handles records without an end if they are product changes, else none. */
function startConsumer(
  { topic, handler, batchRecordsMax = 64 }: ConsumeOptions,
  record: () => ConsumedRecord,
): Consumer {
  const leaving = new AbortController();
  const resumed = { resolve: (): void => undefined };
  let paused = false;
  async function run(): Promise<void> {
    while (!leaving.signal.aborted) {
      if (paused) await new Promise<void>((resolve) => Object.assign(resumed, { resolve }));
      else await handler(Array.from({ length: batchRecordsMax }, record), leaving.signal);
    }
  }
  const running = topic === PRODUCT_CHANGES.name ? run() : Promise.resolve();
  return {
    pause: () => void (paused = true),
    resume() {
      paused = false;
      resumed.resolve();
    },
    status: () => ({ state: "running" }),
    lag: async () => 0n,
    async close() {
      leaving.abort();
      this.resume();
      await running;
    },
  };
}
