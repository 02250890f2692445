import { randomUUID } from "node:crypto";
import type { Until } from "@marquetry/runtime/test/until";
import { deadLetterTopic } from "../src/event-bus/event-bus.js";
import type { ConsumedRecord, EventBus } from "../src/event-bus/event-bus.js";

/** For tests: the dead letters of a topic from its start, read until there are so many. */
export async function deadLetters(
  bus: EventBus,
  topic: string,
  count: number,
  until: Until,
): Promise<ConsumedRecord[]> {
  const found: ConsumedRecord[] = [];
  const consumer = await bus.consume({
    topic: deadLetterTopic(topic),
    group: `dead-letters-${randomUUID()}`,
    handler: async (records) => {
      found.push(...records);
      return [];
    },
  });
  try {
    await until(`${count} dead letters of ${topic}`, () => found.length >= count);
  } finally {
    await consumer.close();
  }
  return found;
}
