import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { TOPICS } from "@marquetry/contracts/topics";
import { createLogger } from "@marquetry/runtime/logger";
import type { SystemConfig } from "./config.js";

interface System {
  readonly bus: EventBus;
  readonly index: ProductIndex;
}

/** Opens the running system for as long as it is used. */
export async function withSystem<Result>(
  config: SystemConfig,
  use: (system: System) => Promise<Result>,
): Promise<Result> {
  const logger = createLogger("trainer", "silent");
  const bus = openEventBus(config.eventBusUrl, { clientId: "marquetry-trainer", logger });
  const index = openProductIndex(config.vectorIndexUrl, { apiKey: config.vectorIndexApiKey });
  try {
    await bus.ensureTopics(TOPICS);
    return await use({ bus, index });
  } finally {
    await index.close();
    await bus.close();
  }
}
