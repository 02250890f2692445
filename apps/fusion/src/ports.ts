/** What the service works with: its ports, and the names under which Nest injects what is no class. */
import { bundleAt } from "@marquetry/backends/bundle/load";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import type { Bundle } from "@marquetry/model/bundle";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { FusionConfig } from "./config.js";

export const CONTEXT = Symbol("ServiceContext");
export const PORTS = Symbol("FusionPorts");
export const FUSE_PRODUCTS = Symbol("FuseProducts");

export interface FusionPorts {
  readonly bundle: Bundle;
  readonly bus: EventBus;
  readonly index: ProductIndex;
}

/** Opens what the configuration names. */
export async function openFusionPorts(
  config: FusionConfig,
  { closers, logger }: ServiceContext,
): Promise<FusionPorts> {
  const bundle = await bundleAt(config.BUNDLE_DIR);
  const bus = openEventBus(config.EVENT_BUS_URL, { clientId: "marquetry-fusion", logger });
  closers.add("event bus", () => bus.close());
  const index = openProductIndex(config.VECTOR_INDEX_URL, { apiKey: config.VECTOR_INDEX_API_KEY });
  closers.add("vector index", () => index.close());
  return { bundle, bus, index };
}
