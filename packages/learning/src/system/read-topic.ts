import { randomUUID } from "node:crypto";
import type { ConsumedRecord, EventBus } from "@marquetry/backends/event-bus";
import { MarquetryError } from "@marquetry/runtime/errors";

/** A bus that brings nothing for so long has lost what it said it has. */
const SILENCE_MS_MAX = 120_000;

/**
 * All that a topic holds now, and nothing that comes later: each partition from its first record on,
 * in order, through a consumer group of its own. A batch may come again.
 * @param onRecords gets records of one partition at a time
 * @throws MarquetryError `unavailable` after two minutes without a record; as `EventBus`
 */
export async function readTopic(
  bus: EventBus,
  topic: string,
  onRecords: (records: readonly ConsumedRecord[]) => void,
): Promise<void> {
  const extent = await bus.extent(topic);
  const ends = new Map(
    extent.flatMap(({ partition, first, next }) => (next > first ? [[partition, next]] : [])),
  );
  const open = new Set(ends.keys());
  if (open.size === 0) return;
  const end = Promise.withResolvers<void>();
  const silence = setTimeout(() => {
    const unread = [...open].join(", ");
    const message = `topic ${topic}: nothing more came of partitions ${unread} for two minutes`;
    end.reject(new MarquetryError("unavailable", message));
  }, SILENCE_MS_MAX);
  const consumer = await bus.consume({
    topic,
    group: `marquetry-trainer-${randomUUID()}`,
    async handler(records) {
      silence.refresh();
      const { partition, offset } = records.at(-1)!;
      const next = ends.get(partition) ?? 0n;
      onRecords(records.filter((record) => record.offset < next));
      if (offset >= next - 1n) open.delete(partition);
      if (open.size === 0) end.resolve();
      return [];
    },
    onFailed: end.reject,
  });
  try {
    await end.promise;
  } finally {
    clearTimeout(silence);
    await consumer.close();
  }
}
