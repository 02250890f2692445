/** Where records go that a consumer cannot use: a topic beside each topic. */

/** One: they are few, and easier to read in one sequence. */
export const DEAD_LETTER_PARTITIONS = 1;

/** Time to notice, mend and send again. */
export const DEAD_LETTER_RETENTION_MS = 14 * 86_400_000;

export function deadLetterTopic(topic: string): string {
  return `${topic}.dlq`;
}
