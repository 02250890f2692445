import { MarquetryError } from "@marquetry/runtime/errors";
import type { EventBus } from "./event-bus.js";
import { createKafkaEventBus, type Log } from "./kafka.js";
import { createMemoryEventBus } from "./memory.js";

export interface OpenEventBusOptions {
  readonly clientId: string;
  readonly log: Log;
}

const KAFKA_URL = /^kafka:\/\/(?<brokers>[^/?#@]+)\/?$/;
const BROKER = /^(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):(?<port>\d{1,5})$/;

/**
 * Opens the bus that a URL names: `memory:` (a new one with each call) or
 * `kafka://host:port[,host:port]`. Nothing is connected yet.
 *
 * @throws MarquetryError `invalid`
 */
export function openEventBus(url: string, options: OpenEventBusOptions): EventBus {
  if (url === "memory:") return createMemoryEventBus();
  const brokers = KAFKA_URL.exec(url)?.groups?.["brokers"]?.split(",") ?? [];
  if (brokers.length > 0 && brokers.every(isBroker)) {
    return createKafkaEventBus({ ...options, brokers });
  }
  throw new MarquetryError(
    "invalid",
    `expected memory: or kafka://host:port[,host:port] as the event bus, not "${url}"`,
    { field: "url" },
  );
}

function isBroker(broker: string): boolean {
  const port = Number(BROKER.exec(broker)?.groups?.["port"] ?? 0);
  return port >= 1 && port <= 65_535;
}
