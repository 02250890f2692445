import type { Consumer as KafkaConsumer, EachBatchPayload } from "kafkajs";
import type { ConsumeOptions } from "../event-bus.js";
import type { MembershipEvent } from "../membership.js";
import { createClient } from "./client.js";
import type { KafkaEventBusOptions } from "./client.js";

export const HEARTBEAT_MS = 1_000;
/** A fetch that finds nothing ends after this; `close()` waits for it. */
const FETCH_WAIT_MS = 250;
const SESSION_MS_MAX = 10_000;
/** A handler call longer than this loses its partitions when the group changes. */
const REBALANCE_MS_MAX = 60_000;

export interface Session {
  readonly bus: KafkaEventBusOptions;
  readonly options: Pick<ConsumeOptions, "topic" | "group">;
  readonly eachBatch: (payload: EachBatchPayload) => Promise<void>;
  readonly onOpen: (consumer: KafkaConsumer) => void;
  readonly onEvent: (event: MembershipEvent) => void;
  readonly onHeartbeat: () => void;
  /** Resolves when the member leaves. */
  readonly left: Promise<void>;
}

/**
 * One kafkajs consumer from its birth to its crash, or until the member leaves. kafkajs's own
 * restarts are not used, because it stops for good on some errors of a broker that is only unavailable for a while.
 *
 * @returns what it crashed of
 */
export async function runSession(session: Session): Promise<unknown> {
  const { topic } = session.options;
  const consumer = createConsumer(session);
  const crash = Promise.withResolvers<unknown>();
  const { events } = consumer;
  consumer.on(events.CRASH, ({ payload }) => crash.resolve(payload.error));
  consumer.on(events.GROUP_JOIN, () => session.onEvent({ kind: "joined" }));
  consumer.on(events.REBALANCING, () => session.onEvent({ kind: "rebalancing" }));
  consumer.on(events.FETCH, () => session.onEvent({ kind: "fetched" }));
  consumer.on(events.HEARTBEAT, () => session.onHeartbeat());
  session.onOpen(consumer);
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({ eachBatchAutoResolve: false, eachBatch: session.eachBatch });
    return await Promise.race([crash.promise, session.left]);
  } catch (error) {
    return error;
  } finally {
    await consumer.disconnect().catch(() => undefined);
  }
}

function createConsumer({ bus, options, onEvent }: Session): KafkaConsumer {
  /** kafkajs retries a broken connection for seconds before anything but its log tells of it. */
  const log: KafkaEventBusOptions["log"] = (level, message, detail) => {
    if (/Connection (error|timeout)/.test(message)) {
      onEvent({ kind: "disconnected", error: message });
    }
    bus.log(level, message, detail);
  };
  return createClient({ ...bus, log }, 5).consumer({
    groupId: options.group,
    allowAutoTopicCreation: false,
    sessionTimeout: bus.sessionMs ?? SESSION_MS_MAX,
    rebalanceTimeout: REBALANCE_MS_MAX,
    heartbeatInterval: HEARTBEAT_MS,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    retry: {
      retries: 5,
      initialRetryTime: 200,
      maxRetryTime: 3_000,
      restartOnFailure: async () => false,
    },
  });
}
