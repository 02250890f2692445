/** What the service works with, and the names under which Nest injects it. */
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import type { Encoder } from "@marquetry/inference/encoder";
import type { ServiceContext } from "@marquetry/runtime/lifecycle";
import type { EncoderConfig } from "./config.js";
import { openEncoders } from "./encoders.js";
import type { ContentModality } from "@marquetry/contracts/modalities";

export interface EncoderPorts {
  readonly bus: EventBus;
  readonly encoders: ReadonlyMap<ContentModality, Encoder>;
}

export const CONFIG = Symbol("EncoderConfig");
export const CONTEXT = Symbol("ServiceContext");
export const PORTS = Symbol("EncoderPorts");
export const EVENTS = Symbol("EncoderEvents");
export const BACK_PRESSURE = Symbol("BackPressure");
export const ENCODE_CONTENT = Symbol("EncodeContent");
export const ENCODE_PRODUCTS = Symbol("EncodeProducts");

/** Opens what the configuration names. */
export async function openEncoderPorts(
  config: EncoderConfig,
  { resource, logger }: ServiceContext,
): Promise<EncoderPorts> {
  const clientId = "marquetry-encoder";
  return {
    bus: resource("event bus", openEventBus(config.EVENT_BUS_URL, { clientId, logger })),
    encoders: await openEncoders(config, { resource }),
  };
}
