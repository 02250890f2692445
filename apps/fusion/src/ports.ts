/** What the service works with, and the names under which Nest injects it. */
import { bundleAt } from "@marquetry/backends/bundle/load";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import type { Bundle } from "@marquetry/model/bundle";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { FusionConfig } from "./config.js";

export interface FusionPorts {
  readonly bundle: Bundle;
  readonly bus: EventBus;
  readonly index: ProductIndex;
}

export const CONTEXT = Symbol("ServiceContext");
export const PORTS = Symbol("FusionPorts");
export const FUSE_PRODUCTS = Symbol("FuseProducts");

/** Opens what the configuration names. */
export async function openFusionPorts(
  config: FusionConfig,
  { resource, logger }: ServiceContext,
): Promise<FusionPorts> {
  const { VECTOR_INDEX_API_KEY: apiKey } = config;
  const clientId = "marquetry-fusion";
  return {
    bundle: await bundleAt(config.BUNDLE_DIR),
    bus: resource("event bus", openEventBus(config.EVENT_BUS_URL, { clientId, logger })),
    index: resource("vector index", openProductIndex(config.VECTOR_INDEX_URL, { apiKey })),
  };
}
