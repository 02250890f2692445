/** The topics as Kafka's administration takes them, made of the policies of the contracts. */
import { REPLICAS, topicPolicies } from "@marquetry/contracts/topics";
import type { TopicPolicy } from "@marquetry/contracts/topics";

export interface TopicTable {
  /** As in production; fewer where the cluster has fewer brokers. */
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: number;
    readonly recordBytesMax: number;
    /** Kafka's settings of the topic. */
    readonly config: Readonly<Record<string, string>>;
  }[];
}

const MIB = 1024 * 1024;
const COMPACTION_LAG_MS = 86_400_000;

export function topicTable(): TopicTable {
  return {
    replicationFactor: REPLICAS.count,
    minInsyncReplicas: REPLICAS.inSyncMin,
    topics: topicPolicies().map(({ name, partitions, recordBytesMax, cleanup }) => ({
      name,
      partitions,
      recordBytesMax,
      config: {
        ...cleanupSettings(cleanup),
        // Kafka measures a whole batch: the largest record and its headers or its neighbours.
        "max.message.bytes": String((Math.floor(recordBytesMax / MIB) + 1) * MIB),
      },
    })),
  };
}

/** The table as infra/topics.json holds it. */
export function topicTableJson(): string {
  return `${JSON.stringify(topicTable(), null, 2)}\n`;
}

function cleanupSettings(cleanup: TopicPolicy["cleanup"]): Record<string, string> {
  return cleanup === "compact"
    ? { "cleanup.policy": "compact", "min.compaction.lag.ms": String(COMPACTION_LAG_MS) }
    : { "cleanup.policy": "delete", "retention.ms": String(cleanup.retentionMs) };
}
