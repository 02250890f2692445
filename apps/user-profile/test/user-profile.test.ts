/** The service on a bus: dead letters, a store or index that is unavailable, start and end. */
import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, test } from "@jest/globals";
import { temporaryFolder } from "@marquetry/testing/folders";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DEAD_LETTER_HEADERS } from "@marquetry/backends/event-bus";
import type { EventBus } from "@marquetry/backends/event-bus";
import { openEventBus } from "@marquetry/backends/event-bus/open";
import type { ProfileStore } from "@marquetry/backends/profile-store";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { Action, ClickstreamEventSchema } from "@marquetry/contracts/events/clickstream_pb";
import type { ClickstreamEvent } from "@marquetry/contracts/events/clickstream_pb";
import { CLICKSTREAM } from "@marquetry/contracts/topics";
import { encodeBundle } from "@marquetry/model/bundle/codec";
import type { Bundle } from "@marquetry/model/bundle";
import { pool } from "@marquetry/model/interests";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { MarquetryError } from "@marquetry/runtime/errors";
import { startService } from "@marquetry/runtime/lifecycle";
import { createLogger } from "@marquetry/runtime/logger";
import { productPayload } from "./product-payload.js";
import { startUserProfile } from "../src/user-profile.module.js";
import { deadLetterTopic } from "@marquetry/contracts/dead-letters";
import { firstRecords } from "@marquetry/testing/topic-records";
import { recencyGraph } from "@marquetry/testing/sequence-graph";
import { Gate, gated } from "@marquetry/testing/gate";
import { killProcesses, runNode } from "@marquetry/testing/node-process";
import { createUntil } from "@marquetry/testing/until";

const zeroShot = await zeroShotBundle({ text: { encoder: "words", dims: 3 } }, { dims: 3 });
const NOW = Date.UTC(2026, 0, 1);
const until = createUntil(10_000, 5);

/** What a test opened, closed in the reverse order even where the test fails. */
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function newGate(): Gate {
  return new Gate(new MarquetryError("unavailable", "it does not answer"));
}

async function startHarness(bundle: Bundle = zeroShot) {
  const logger = createLogger("test", "silent");
  const bus = openEventBus("memory:", { clientId: "test", logger });
  closers.push(() => bus.close());
  const index = openProductIndex("memory:");
  await index.ensureCollection({
    name: productCollection(bundle.id),
    vectors: { [FUSED_VECTOR]: { size: 3, searchable: true } },
  });
  const profiles = openProfileStore("memory:", {
    bundleId: bundle.id,
    popularityHalfLifeMs: bundle.ranking.popularityHalfLifeMs,
  });
  const gates = { store: newGate(), index: newGate() };
  const ports = {
    bundle,
    bus,
    index: gated(index, { retrieve: [gates.index] }),
    profiles: gated(profiles, { update: [gates.store] }),
  };
  const service = await startService(
    "user-profile",
    { HTTP_PORT: 0, LOG_LEVEL: "silent" },
    (_, context) => startUserProfile(context, ports),
    (error) => console.error("the service failed:", error),
  );
  closers.push(() => service.close());
  const health = `http://127.0.0.1:${service.healthPort}`;
  return { bus, index, profiles, gates, health };
}

function viewed(
  userId: string,
  eventId: string,
  { productId = "lamp", atMs = NOW }: { productId?: string; atMs?: number } = {},
): ClickstreamEvent {
  return create(ClickstreamEventSchema, {
    eventId,
    userId,
    occurredAt: timestampFromMs(atMs),
    event: { case: "interaction", value: { productId, action: Action.VIEW } },
  });
}

/** One key, so that all share a partition and a batch. */
async function publish(bus: EventBus, values: readonly (ClickstreamEvent | Uint8Array)[]) {
  await bus.publish(
    CLICKSTREAM.name,
    values.map((value) => ({
      key: "same",
      value: value instanceof Uint8Array ? value : toBinary(ClickstreamEventSchema, value),
    })),
  );
}

/** The service as a process on memory ports, until it ends. */
function runProcess(variables: Readonly<Record<string, string>>) {
  return runNode(new URL("../src/main.js", import.meta.url), {
    EVENT_BUS_URL: "memory:",
    VECTOR_INDEX_URL: "memory:",
    PROFILE_STORE_URL: "memory:",
    HTTP_PORT: "0",
    ...variables,
  }).ended;
}

const untilHistory = (profiles: ProfileStore, userId: string, events: number): Promise<void> =>
  until(`${userId} has ${events} events`, async () => {
    const [profile] = await profiles.read([userId]);
    return profile?.history.length === events;
  });

describe("user-profile", () => {
  test("control characters and what is no event are dead-lettered; the rest of the batch counts", async () => {
    const { bus, profiles } = await startHarness();
    const userId = randomUUID();
    await publish(bus, [
      viewed(userId, "1"),
      viewed("a\u0000b", "2"),
      viewed(userId, "3", { productId: "la\u001bmp" }),
      Uint8Array.of(0x0a, 0xff),
      viewed(userId, "4", { atMs: Date.now() + 3_600_000 }),
      viewed(userId, "5"),
    ]);
    await untilHistory(profiles, userId, 2);
    const letters = await firstRecords(bus, deadLetterTopic(CLICKSTREAM.name), 4, until);
    expect(letters.map(({ headers }) => headers[DEAD_LETTER_HEADERS.cause])).toEqual([
      expect.stringMatching(/^user_id: /),
      expect.stringMatching(/^interaction\.product_id: /),
      expect.stringMatching(/^expected marquetry\.events\.v1\.ClickstreamEvent in binary/),
      expect.stringMatching(/^occurred_at: /),
    ]);
    expect(
      letters.map(({ offset, headers }) => [offset, headers[DEAD_LETTER_HEADERS.offset]]),
    ).toEqual([
      [0n, "1"],
      [1n, "2"],
      [2n, "3"],
      [3n, "4"],
    ]);
    const [popularity] = await profiles.popularity(["lamp"], NOW);
    expect(popularity).toBe(2);
  });

  test.each(["store", "index"] as const)(
    "an outage of the %s loses nothing and counts nothing twice, and shows in /readyz",
    async (which) => {
      const { bus, profiles, health, gates } = await startHarness();
      const gate = gates[which];
      const ready = async (): Promise<number> => (await fetch(`${health}/readyz`)).status;
      expect(await ready()).toBe(200);
      const userId = randomUUID();
      gate.unavailable = true;
      await publish(bus, [viewed(userId, "1"), viewed(userId, "2")]);
      await until("the batch is being tried again", () => gate.refused > 2);
      expect(await ready()).toBe(503);
      // Comes behind the batch that is being tried.
      await publish(bus, [viewed(userId, "3")]);
      gate.unavailable = false;
      await untilHistory(profiles, userId, 3);
      await until("the service is ready again", async () => (await ready()) === 200);
      const [popularity] = await profiles.popularity(["lamp"], NOW);
      expect(popularity).toBe(3);
    },
  );
});

describe("a bundle with a sequence model", () => {
  const size = { historyMax: 3, dims: 3, decay: 0.5 };
  const { actions, negativeShare } = zeroShot.interests;
  const bundle: Bundle = {
    ...zeroShot,
    id: "with-a-sequence",
    interests: {
      strategy: "sequence",
      graph: recencyGraph(size),
      historyMax: size.historyMax,
      rankDecay: size.decay,
      // As in a dataset without actions.
      actions: { ...actions, view: { bias: 0, sign: 1 } },
      negativeShare,
      normaliseOutput: true,
    },
  };
  const vectors = {
    lamp: Float32Array.of(1, 0, 0),
    desk: Float32Array.of(0, 1, 0),
    chair: Float32Array.of(0, 0.6, 0.8),
  };

  test("gives every user of a batch the vector that is computed offline, to 1e-5", async () => {
    const { bus, index, profiles } = await startHarness(bundle);
    await index.upsert(
      productCollection(bundle.id),
      Object.entries(vectors).map(([productId, vector]) => ({
        payload: productPayload(productId),
        vectors: { [FUSED_VECTOR]: vector },
      })),
    );
    const seen: [userId: string, products: (keyof typeof vectors)[]][] = [
      [randomUUID(), ["lamp", "lamp", "desk", "chair"]],
      [randomUUID(), ["chair", "lamp"]],
      [randomUUID(), ["desk"]],
    ];
    await publish(
      bus,
      seen.flatMap(([userId, products]) =>
        products.map((productId, t) =>
          viewed(userId, `${userId}-${t}`, { productId, atMs: NOW + t }),
        ),
      ),
    );
    for (const [userId, products] of seen) {
      await untilHistory(profiles, userId, products.length);
      const [profile] = await profiles.read([userId]);
      const offline = pool(
        {
          strategy: "attention",
          contentScoring: false,
          rankDecay: size.decay,
          actions: { view: { bias: 0, sign: 1 } },
          negativeShare,
          normaliseOutput: true,
        },
        products
          .slice(-size.historyMax)
          .map((product, t) => ({ vector: vectors[product], action: "view", occurredAtMs: t })),
      )!;
      const [interest] = profile!.interests;
      offline.forEach((x, j) => expect(interest![j]).toBeCloseTo(x, 5));
    }
  });

  test("with a graph of another digest it ends the process, which says so", async () => {
    const { manifest, weights, interests } = await encodeBundle(bundle);
    const changed = interests!.slice();
    changed[changed.length - 1]! ^= 1;
    await using folder = await temporaryFolder({
      "manifest.json": manifest,
      "weights.safetensors": weights,
      "interests.onnx": changed,
    });
    const { code, out, err } = await runProcess({ BUNDLE_DIR: folder.directory });
    expect(code).not.toBe(0);
    expect(out + err).toMatch(/interests\.graph\.sha256: expected [0-9a-f]{64}/);
  });
});

afterEach(killProcesses);

describe("the process", () => {
  test("wrong variables end it with status 2 and one line per mistake", async () => {
    const { code, err } = await runProcess({
      PROFILE_STORE_URL: "postgres://somewhere",
      PROFILE_TTL_DAYS: "0",
      LOG_LEVEL: "loud",
    });
    expect(code).toBe(2);
    expect(err.trimEnd().split("\n").sort()).toEqual([
      expect.stringMatching(/^LOG_LEVEL: .*debug, info.*loud/),
      expect.stringMatching(/^PROFILE_STORE_URL: .*redis: or rediss: or memory:.*postgres/),
      expect.stringMatching(/^PROFILE_TTL_DAYS: .*1 to 3650/),
    ]);
  });
});
