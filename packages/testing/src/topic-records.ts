import { randomUUID } from "node:crypto";
import type { Until } from "./until.js";

/** What is needed of an event bus, whose records are `R`. */
interface Consumes<R> {
  consume(options: {
    topic: string;
    group: string;
    handler: (records: readonly R[]) => Promise<readonly never[]>;
  }): Promise<{ close(): Promise<void> }>;
}

/** The records of a topic from its start, as they arrive, read until there are `count`. */
export async function firstRecords<R>(
  bus: Consumes<R>,
  topic: string,
  count: number,
  until: Until,
): Promise<R[]> {
  const found: R[] = [];
  const consumer = await bus.consume({
    topic,
    group: `first-records-${randomUUID()}`,
    handler: async (records) => {
      found.push(...records);
      return [];
    },
  });
  try {
    await until(`${count} records in ${topic}`, () => found.length >= count);
  } finally {
    await consumer.close();
  }
  return found;
}
