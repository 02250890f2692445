import { MarquetryError } from "@marquetry/runtime/errors";
import type { Logger } from "@marquetry/runtime/logger";
import type { EventBus } from "./event-bus.js";
import { createKafkaEventBus } from "./kafka/kafka-event-bus.js";
import { createMemoryEventBus } from "./memory.js";
import { withPrefixes } from "./prefixes.js";

interface OpenEventBusOptions {
  readonly clientId: string;
  /** Hears what the client library has to say. */
  readonly logger: Logger;
}

const KAFKA_URL = /^kafka:\/\/(?<brokers>[^/?#@]+)\/?(?:\?prefix=(?<prefix>[A-Za-z0-9._-]+))?$/;
const BROKER = /^(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):(?<port>\d{1,5})$/;

/**
 * Opens the bus that a URL names: `memory:` (a new one with each call) or
 * `kafka://host:port[,host:port][?prefix=NAME]`, where the prefix stands before every topic and group.
 * Nothing is connected yet.
 *
 * @throws MarquetryError `invalid`
 */
export function openEventBus(url: string, options: OpenEventBusOptions): EventBus {
  if (url === "memory:") return createMemoryEventBus();
  const { brokers: list, prefix = "" } = KAFKA_URL.exec(url)?.groups ?? {};
  const brokers = list?.split(",") ?? [];
  if (brokers.length > 0 && brokers.every(isBroker)) {
    const { clientId, logger } = options;
    const log = (level: keyof Logger, message: string, detail: object): void =>
      logger[level](detail, message);
    const bus = createKafkaEventBus({ clientId, brokers, log });
    return prefix === "" ? bus : withPrefixes(bus, { topics: prefix, groups: prefix });
  }
  throw new MarquetryError(
    "invalid",
    `expected memory: or kafka://host:port[,host:port][?prefix=NAME] as the event bus, not "${url}"`,
    { field: "url" },
  );
}

function isBroker(broker: string): boolean {
  const port = Number(BROKER.exec(broker)?.groups?.["port"] ?? 0);
  return port >= 1 && port <= 65_535;
}
