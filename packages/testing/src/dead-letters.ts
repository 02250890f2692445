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

/** The records of a dead-letter topic from its start, read until there are so many. */
export async function deadLetters<R>(
  bus: Consumes<R>,
  deadLetterTopic: string,
  count: number,
  until: Until,
): Promise<R[]> {
  const found: R[] = [];
  const consumer = await bus.consume({
    topic: deadLetterTopic,
    group: `dead-letters-${randomUUID()}`,
    handler: async (records) => {
      found.push(...records);
      return [];
    },
  });
  try {
    await until(`${count} records in ${deadLetterTopic}`, () => found.length >= count);
  } finally {
    await consumer.close();
  }
  return found;
}
