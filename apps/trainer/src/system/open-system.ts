import { bundleAt } from "@marquetry/backends/bundle/load";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import { openVectorIndex } from "@marquetry/backends/vector-index/open";
import { TOPICS } from "@marquetry/contracts/topics";
import { createLogger } from "@marquetry/runtime/logger";
import type { SystemConfig } from "../config.js";
import type { Prepared } from "../recipe/prepare.js";
import { prepareSystem } from "./prepare-system.js";

export interface SystemOptions extends SystemConfig {
  /** Of what fusion runs with; the zero-shot bundle of the default encoders without. */
  readonly bundleDirectory: string | undefined;
  readonly name: string;
  readonly report: (line: string) => void;
}

/** Opens the running system for as long as it takes to read it. */
export async function prepareFromSystem(options: SystemOptions): Promise<Prepared> {
  const { bundleDirectory, name, report } = options;
  const bundle = await bundleAt(bundleDirectory);
  const logger = createLogger("trainer", "silent");
  const bus = openEventBus(options.eventBusUrl, { clientId: "marquetry-trainer", logger });
  const index = openVectorIndex(options.vectorIndexUrl, { apiKey: options.vectorIndexApiKey });
  try {
    await bus.ensureTopics(TOPICS);
    return await prepareSystem({ bus, index, bundle, name, report });
  } finally {
    await index.close();
    await bus.close();
  }
}
