/** The four services as separate processes on real servers of their own, some of which die. */
import { modelsDirectory } from "@marquetry/runtime/directories";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { newFolder, removeFolders } from "@marquetry/testing/folders";
import { status } from "@grpc/grpc-js";
import { productCollection } from "@marquetry/backends/product-index";
import { freePorts, stackDown, stackUp, startServer, stopServer } from "@marquetry/infra/stack";
import { stackCacheDirectory } from "@marquetry/infra/stack/config";
import type { ServerName, StackOptions } from "@marquetry/infra/stack/options";
import type { Bundle } from "@marquetry/model/bundle";
import { defaultBundle } from "@marquetry/model/bundle/zero-shot";
import { toProductChange } from "../src/catalogue.js";
import type { ServiceName } from "../src/platform.js";
import { createRecommendationClient } from "../src/recommendation-client.js";
import { deployments, interaction, sendChanges, sendEvents, until } from "./harness.js";
import { openClients, startServiceProcess, writeBundle } from "./service-process.js";
import type { ServiceProcess } from "./service-process.js";

const SERVICES: readonly ServiceName[] = ["fusion", "encoder", "user-profile", "ranking-gateway"];
const START_MS_MAX = 180_000;
const RECOVERY_MS_MAX = 60_000;
const NOW = Date.now();

const product = (id: string, revision = 1) =>
  toProductChange(
    {
      id,
      title: `Thing ${id}`,
      description: "",
      categories: ["Things"],
      brand: "",
      price: 1,
      currency: "",
      image: undefined,
      groupId: "",
    },
    { revision, occurredAtMs: NOW },
  );

const real = deployments().length > 1;

(real ? describe : describe.skip)("separate services on real servers", () => {
  let directory: string;
  let stack: StackOptions;
  let environment: Record<string, string>;
  let bundle: Bundle;
  let clients: ReturnType<typeof openClients>;
  const running = new Map<ServiceName, ServiceProcess>();

  beforeAll(async () => {
    directory = await newFolder();
    stack = {
      directory: join(directory, "stack"),
      cacheDirectory: stackCacheDirectory(process.env),
      ports: await freePorts(),
      engine: "host",
      report: () => undefined,
    };
    const urls = await stackUp(stack);
    bundle = { ...(await defaultBundle()), id: `faults-${randomUUID().slice(0, 8)}` };
    environment = {
      EVENT_BUS_URL: `kafka://${urls.kafkaBrokers.join(",")}`,
      PROFILE_STORE_URL: urls.redisUrl,
      VECTOR_INDEX_URL: urls.qdrantUrl,
      MODELS_DIR: modelsDirectory(process.env),
      BUNDLE_DIR: await writeBundle(join(directory, "bundle"), bundle),
    };
    clients = openClients(environment, bundle);
    for (const service of SERVICES) await start(service);
  }, START_MS_MAX);

  afterAll(async () => {
    for (const service of [...running.values()].toReversed()) await service.terminate();
    await Promise.all([clients?.bus.close(), clients?.index.close(), clients?.profiles.close()]);
    await stackDown(stack, { wipe: true });
    await removeFolders();
  }, START_MS_MAX);

  async function start(service: ServiceName): Promise<void> {
    running.set(service, await startServiceProcess(service, environment));
  }

  const processOf = (service: ServiceName): ServiceProcess =>
    running.get(service) as ServiceProcess;

  async function indexed(): Promise<number> {
    return clients.index.count(productCollection(bundle.id));
  }

  test(
    "SIGTERM during load loses no event: every service ends cleanly and its successor goes on",
    async () => {
      const [products, users, eventsOfUser] = [300, 20, 60];
      const ids = Array.from({ length: products }, (_, at) => `load-${at}`);
      const loading = (async () => {
        for (let at = 0; at < products; at += 10) {
          await sendChanges(
            clients.bus,
            ids.slice(at, at + 10).map((id) => product(id)),
          );
          const events = Array.from({ length: users }, (_, user) =>
            Array.from({ length: (eventsOfUser * 10) / products }, (_unused, step) =>
              interaction(`user-${user}`, ids[(at + step) % products] as string, {
                atMs: NOW - products + at + step,
              }),
            ),
          );
          await sendEvents(clients.bus, events.flat());
        }
      })();
      const statuses: (number | null)[] = [];
      for (const service of ["encoder", "fusion", "user-profile"] as const) {
        await until(
          `the load reaches ${service}`,
          async () => (await indexed()) > statuses.length * 20,
        );
        statuses.push(await processOf(service).terminate());
        await start(service);
      }
      await loading;
      expect(statuses).toEqual([0, 0, 0]);
      await until("every product is in the index", async () => (await indexed()) === products);
      const userIds = Array.from({ length: users }, (_, user) => `user-${user}`);
      await until("every event is in its history", async () => {
        const profiles = await clients.profiles.read(userIds);
        return profiles.every((profile) => profile?.history.length === eventsOfUser);
      });
    },
    START_MS_MAX,
  );

  test("SIGTERM during load answers every call that the gateway had accepted", async () => {
    const gateway = processOf("ranking-gateway");
    const client = createRecommendationClient(gateway.grpcPort);
    await client.recommend({ userId: "user-0", limit: 10 });
    // All of these are written to an open connection before the signal is sent.
    const calls = Array.from({ length: 100 }, (_, at) =>
      client.recommend({ userId: `user-${at % 20}`, limit: 10 }).then(
        ({ items }) => items.length,
        (error: { code?: number }) => status[error.code ?? status.UNKNOWN],
      ),
    );
    await Promise.race(calls);
    const ended = gateway.terminate();
    const outcomes = await Promise.all(calls);
    expect(outcomes).toEqual(outcomes.map(() => 10));
    expect(await ended).toBe(0);
    const late = client.recommend({ userId: "user-0", limit: 10 });
    await expect(late).rejects.toMatchObject({ code: status.UNAVAILABLE });
    client.close();
    await start("ranking-gateway");
  });

  /** Who notices, and in which check. The gateway can do without profiles. */
  const losses: [ServerName, [ServiceName, string, "not ready" | "degraded"][]][] = [
    [
      "redis",
      [
        ["user-profile", "profile store", "not ready"],
        ["ranking-gateway", "profile store", "degraded"],
      ],
    ],
    [
      "qdrant",
      [
        ["fusion", "vector index", "not ready"],
        ["user-profile", "vector index", "not ready"],
        ["ranking-gateway", "vector index", "not ready"],
      ],
    ],
    [
      "kafka",
      [
        ["encoder", "event bus", "not ready"],
        ["fusion", "event bus", "not ready"],
        ["user-profile", "event bus", "not ready"],
      ],
    ],
  ];

  test.each(losses)(
    "a lost %s shows in /readyz, and everything recovers by itself",
    async (server, noticed) => {
      await stopServer(stack, server, "SIGKILL");
      for (const [service, check, kind] of noticed) {
        await until(`${service} shows that ${server} is lost`, async () => {
          const { ready, degraded, checks } = await processOf(service).readyz();
          return checks[check] !== "ok" && (kind === "degraded" ? ready && degraded : !ready);
        });
      }
      await startServer(stack, server);
      for (const service of SERVICES) {
        await until(
          `${service} is ready again`,
          async () => {
            const { ready, degraded } = await processOf(service).readyz();
            return ready && !degraded;
          },
          RECOVERY_MS_MAX,
        );
      }
      const [productId, userId] = [`after-${server}`, `after-${server}`];
      await sendChanges(clients.bus, [product(productId)]);
      await until("a new product is indexed", async () => {
        return (await clients.index.retrieve(productCollection(bundle.id), [productId], [])).has(
          productId,
        );
      });
      await sendEvents(clients.bus, [interaction(userId, productId)]);
      const client = createRecommendationClient(processOf("ranking-gateway").grpcPort);
      await until("its visitor gets it", async () => {
        const { items } = await client.recommend({ userId, limit: 5 });
        return items[0]?.productId === productId;
      });
      client.close();
    },
    START_MS_MAX,
  );
});
