/** What the journeys share: where they run, how they send events and how they wait. */
import { modelsDirectory } from "@marquetry/runtime/directories";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConsumedRecord, EventBus } from "@marquetry/backends/event-bus";
import { productCollection } from "@marquetry/backends/product-index";
import { Action, ClickstreamEventSchema } from "@marquetry/contracts/events/clickstream_pb";
import type { ClickstreamEvent } from "@marquetry/contracts/events/clickstream_pb";
import type { ProductChange } from "@marquetry/contracts/events/product_pb";
import type { Bundle } from "@marquetry/model/bundle";
import { CLICKSTREAM, PRODUCT_CHANGES } from "@marquetry/contracts/topics";
import { startPlatform } from "../src/platform.js";
import type { Platform, PlatformEnvironment, ServiceName } from "../src/platform.js";
import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import { firstRecords } from "@marquetry/testing/topic-records";
import { createUntil } from "@marquetry/testing/until";

export const until = createUntil(120_000, 10);

/** Where a journey runs, under the name that its tests carry. */
export type Deployment = readonly [name: string, servers: PlatformEnvironment];

/** Memory, and the real servers that the environment names. In CI their absence is a failure. */
export function deployments(env: NodeJS.ProcessEnv = process.env): Deployment[] {
  const memory: Deployment = ["memory", {}];
  const { KAFKA_BROKERS, REDIS_URL, QDRANT_URL, CI } = env;
  if (KAFKA_BROKERS && REDIS_URL && QDRANT_URL) {
    const servers = {
      EVENT_BUS_URL: `kafka://${KAFKA_BROKERS}`,
      PROFILE_STORE_URL: REDIS_URL,
      VECTOR_INDEX_URL: QDRANT_URL,
    };
    return [memory, ["the real stack", servers]];
  }
  const missing =
    "KAFKA_BROKERS, REDIS_URL and QDRANT_URL name the real stack; npm test starts one";
  if (CI) throw new Error(missing);
  console.warn(`SKIPPED: journeys on the real stack: ${missing}`);
  return [memory];
}

/** The folder of public data, or undefined, said loudly, where this machine does not have it. */
export function dataDirectory(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const root = env["MARQUETRY_DATA_DIR"] ?? resolve("..", "shared", "data");
  const directory = join(root, name);
  if (existsSync(directory)) return directory;
  console.warn(
    `SKIPPED: there is no ${directory}; MARQUETRY_DATA_DIR names the folder of public data`,
  );
  return undefined;
}

/**
 * A platform of its own, with topics, groups, collection and profiles that no other test sees.
 * @param bundle for products that come encoded already
 */
export async function startJourney(
  servers: PlatformEnvironment,
  more: PlatformEnvironment = {},
  bundle?: Bundle,
): Promise<Platform> {
  const name = `t${randomUUID().slice(0, 8)}`;
  const bus = servers["EVENT_BUS_URL"];
  const environment = {
    LOG_LEVEL: "silent",
    GRPC_PORT: "0",
    MODELS_DIR: modelsDirectory(process.env),
    ...servers,
    ...(bus === undefined ? {} : { EVENT_BUS_URL: `${bus}?prefix=${name}.` }),
    ...more,
  };
  return startPlatform({
    environment,
    fail: (error) => console.error("a service failed:", error),
    bundleId: name,
    ...(bundle !== undefined && { bundle }),
  });
}

/** Ends a journey and leaves nothing of it on the servers. */
export async function endJourney(platform: Platform): Promise<void> {
  await platform.profiles.clear();
  await platform.index.dropCollection(productCollection(platform.bundle.id));
  await platform.close();
}

export async function sendChanges(bus: EventBus, changes: readonly ProductChange[]): Promise<void> {
  const records = changes.map((change) => ({
    key: change.productId,
    value: toBinary(PRODUCT_CHANGES.schema, change),
  }));
  await bus.publish(PRODUCT_CHANGES.name, records);
}

export async function sendEvents(
  bus: EventBus,
  events: readonly ClickstreamEvent[],
): Promise<void> {
  const records = events.map((event) => ({
    key: event.userId,
    value: toBinary(CLICKSTREAM.schema, event),
  }));
  await bus.publish(CLICKSTREAM.name, records);
}

/** One interaction; Default of the id: a new one. */
export function interaction(
  userId: string,
  productId: string,
  {
    action = Action.VIEW,
    atMs = Date.now(),
    eventId = randomUUID(),
  }: {
    readonly action?: Action;
    readonly atMs?: number;
    readonly eventId?: string;
  } = {},
): ClickstreamEvent {
  return create(ClickstreamEventSchema, {
    eventId,
    userId,
    occurredAt: timestampFromMs(atMs),
    event: { case: "interaction", value: { productId, action } },
  });
}

/** Resolves when the product is stored in this revision. */
export async function untilIndexed(
  platform: Platform,
  productId: string,
  revision: number,
): Promise<void> {
  await until(`${productId} is stored in revision ${revision}`, async () => {
    const stored = await platform.index.retrieve(
      productCollection(platform.bundle.id),
      [productId],
      [],
    );
    return stored.get(productId)?.payload.revision === revision;
  });
}

export async function untilHistory(
  platform: Platform,
  userId: string,
  events: number,
): Promise<void> {
  await until(`${userId} has ${events} events`, async () => {
    const [profile] = await platform.profiles.read([userId]);
    return profile?.history.length === events;
  });
}

/** Resolves when no consumer has a record to settle, in the order of the flow. */
export async function untilSettled(platform: Platform): Promise<void> {
  for (const service of ["encoder", "fusion", "user-profile"] as const) {
    if (platform.healthPorts[service] === undefined) continue;
    await until(`${service} has no lag`, async () => {
      const lag = await metric(
        platform,
        service,
        `marquetry_${service.replace("-", "_")}_consumer_lag_records`,
      );
      return lag === 0;
    });
  }
}

/** The sum of a metric's series, as its service exposes it. */
export async function metric(
  platform: Platform,
  service: ServiceName,
  name: string,
  labels = "",
): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${platform.healthPorts[service]}/metrics`);
  const lines = (await answer.text()).split("\n");
  return lines
    .filter((line) => line.startsWith(name) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** Dead letters of a topic from its start, read until there are so many. */
export function deadLetters(
  bus: EventBus,
  topic: string,
  count: number,
): Promise<ConsumedRecord[]> {
  return firstRecords(bus, deadLetterTopic(topic), count, until);
}
