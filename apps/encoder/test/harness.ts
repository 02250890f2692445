/** Starts the service on a bus of this process or of a server, and closes everything after each
 * test. */
import { openEventBus } from "@marquetry/backends/event-bus/open";
import type { EventBus } from "@marquetry/backends/event-bus";
import type { ContentModality } from "@marquetry/contracts/modalities";
import { TOPICS } from "@marquetry/contracts/topics";
import type { Encoder } from "@marquetry/inference/encoder";
import { startService } from "@marquetry/runtime/lifecycle";
import { createLogger } from "@marquetry/runtime/logger";
import { afterEach } from "@jest/globals";
import { readEncoderConfig } from "../src/config.js";
import { startEncoder } from "../src/encoder.module.js";

export interface StartedEncoder {
  /** The status of `/readyz`. */
  readonly ready: () => Promise<number>;
  readonly metrics: () => Promise<string>;
  /** The value of `marquetry_encoder_<name>`, which has no labels. */
  readonly metric: (name: string) => Promise<number>;
  readonly close: () => Promise<void>;
}

export function createHarness() {
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });
  const closeAfterwards = <Opened extends { close(): Promise<void> }>(opened: Opened): Opened => {
    closers.push(() => opened.close());
    return opened;
  };
  const openBus = async (url = "memory:"): Promise<EventBus> => {
    const logger = createLogger("encoder-test", "silent");
    const bus = closeAfterwards(openEventBus(url, { clientId: "encoder-test", logger }));
    await bus.ensureTopics(TOPICS);
    return bus;
  };
  /** With the encoders of the modalities that the variables name. */
  const start = async (
    bus: EventBus,
    encoders: ReadonlyMap<ContentModality, Encoder>,
    variables: Readonly<Record<string, string>> = {},
  ): Promise<StartedEncoder> => {
    const config = readEncoderConfig({
      EVENT_BUS_URL: "memory:",
      HTTP_PORT: "0",
      GRPC_PORT: "0",
      LOG_LEVEL: "silent",
      ...variables,
    });
    const chosen = config.ENCODER_MODALITIES ?? [...encoders.keys()];
    const service = await startService(
      "encoder",
      config,
      async (_, context) => {
        const own = new Map([...encoders].filter(([modality]) => chosen.includes(modality)));
        await startEncoder(config, context, { bus, encoders: own });
      },
      (error) => {
        throw error;
      },
    );
    closeAfterwards(service);
    const url = `http://127.0.0.1:${service.healthPort}`;
    const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
    return {
      ready: async () => (await fetch(`${url}/readyz`)).status,
      metrics,
      async metric(name) {
        const lines = (await metrics()).split("\n");
        const line = lines.find((each) => each.startsWith(`marquetry_encoder_${name} `));
        return Number(line?.split(" ").at(-1));
      },
      close: () => service.close(),
    };
  };
  return { closeAfterwards, openBus, start };
}
