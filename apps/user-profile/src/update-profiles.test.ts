import { describe, expect, test } from "@jest/globals";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { openInterests } from "@marquetry/inference/interests";
import type { ProfileStore } from "@marquetry/backends/profile-store";
import { openProfileStore } from "@marquetry/backends/profile-store/open";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { Action, ClickstreamEventSchema } from "@marquetry/contracts/events/clickstream_pb";
import type { ClickstreamEvent } from "@marquetry/contracts/events/clickstream_pb";
import { pool } from "@marquetry/model/interests";
import { mulberry32 } from "@marquetry/model/vectors/random";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { createMetrics } from "@marquetry/runtime/telemetry";
import { shuffled } from "@marquetry/testing/shuffled";
import { productPayload } from "../test/product-payload.js";
import { createUserProfileEvents } from "./events.js";
import { createProductVectors } from "./product-vectors.js";
import { createUpdateProfiles } from "./update-profiles.js";
import type { PlacedEvent, UpdateProfiles } from "./update-profiles.js";

const NOW = Date.UTC(2026, 2, 1);
const PARTITION = 3;
const bundle = await zeroShotBundle({ text: { encoder: "words", dims: 3 } }, { dims: 3 });
const collection = productCollection(bundle.id);
const { actionWeights } = bundle.ranking;

const VECTORS: Readonly<Record<string, readonly number[]>> = {
  lamp: [1, 0, 0],
  desk: [0, 1, 0],
  chair: [0, 0.6, 0.8],
};

interface Harness {
  readonly updateProfiles: UpdateProfiles;
  readonly profiles: ProfileStore;
  readonly index: ProductIndex;
  /** Product ids of each bulk read of the index. */
  readonly reads: string[][];
}

async function createHarness(
  around: (profiles: ProfileStore) => ProfileStore = (same) => same,
  served = bundle,
): Promise<Harness> {
  const index = openProductIndex("memory:");
  await index.ensureCollection({
    name: collection,
    vectors: { [FUSED_VECTOR]: { size: 3, searchable: true } },
  });
  for (const productId of Object.keys(VECTORS)) await addProduct(index, productId);
  const reads: string[][] = [];
  const counted: ProductIndex = {
    ...index,
    async retrieve(name, productIds, vectors) {
      reads.push([...productIds]);
      return index.retrieve(name, productIds, vectors);
    },
  };
  const profiles = openProfileStore("memory:", {
    bundleId: bundle.id,
    popularityHalfLifeMs: bundle.ranking.popularityHalfLifeMs,
  });
  const updateProfiles = createUpdateProfiles({
    bundle: served,
    interests: await openInterests(served),
    profiles: around(profiles),
    productVectors: createProductVectors(counted, collection),
    events: createUserProfileEvents({ metrics: createMetrics("user-profile") }),
  });
  return { updateProfiles, profiles, index, reads };
}

async function addProduct(index: ProductIndex, productId: string): Promise<void> {
  const payload = productPayload(productId);
  const vector = new Float32Array(VECTORS[productId] ?? [0.6, 0, 0.8]);
  await index.upsert(collection, [{ payload, vectors: { [FUSED_VECTOR]: vector } }]);
}

function did(
  eventId: string,
  productId: string,
  {
    userId = "user",
    action = Action.VIEW,
    atMs = NOW,
  }: { userId?: string; action?: Action; atMs?: number } = {},
): ClickstreamEvent {
  return create(ClickstreamEventSchema, {
    eventId,
    userId,
    occurredAt: timestampFromMs(atMs),
    event: { case: "interaction", value: { productId, action } },
  });
}

function erased(userId = "user"): ClickstreamEvent {
  return create(ClickstreamEventSchema, {
    eventId: "erasure",
    userId,
    occurredAt: timestampFromMs(NOW),
    event: { case: "erased", value: {} },
  });
}

/** Gives the events their places in the partition. */
function placed(events: readonly ClickstreamEvent[], first = 0): PlacedEvent[] {
  return events.map((event, at) => ({ offset: BigInt(first + at), event }));
}

async function historyOf(profiles: ProfileStore, userId = "user"): Promise<string[] | undefined> {
  const [profile] = await profiles.read([userId]);
  return profile?.history.map(({ eventId }) => eventId);
}

async function interestsOf(profiles: ProfileStore, userId = "user"): Promise<number[][]> {
  const [profile] = await profiles.read([userId]);
  return (profile?.interests ?? []).map((vector) => Array.from(vector));
}

async function popularityOf(profiles: ProfileStore, productId: string): Promise<number> {
  const [popularity] = await profiles.popularity([productId], NOW);
  return popularity ?? Number.NaN;
}

/** Everything that is stored, as text that is equal where every bit is. */
async function bytesOf(profiles: ProfileStore, userIds = ["user", "other"]): Promise<string> {
  const stored = (await profiles.read(userIds)).map((profile) => ({
    history: profile?.history,
    interests: profile?.interests.map((each) => Buffer.from(vectorToBytes(each)).toString("hex")),
  }));
  return JSON.stringify({ stored, popular: await profiles.mostPopular(1_000, NOW) }, undefined, 1);
}

/** Feeds the events in batches of this size. */
async function feed(
  { updateProfiles }: Harness,
  events: readonly ClickstreamEvent[],
  batch = events.length,
): Promise<void> {
  for (let first = 0; first < events.length; first += batch)
    await updateProfiles(PARTITION, placed(events.slice(first, first + batch), first));
}

/** 130 events, three at each instant. */
const many = Array.from({ length: 130 }, (_, at) =>
  did(`e${String(at).padStart(3, "0")}`, Object.keys(VECTORS)[at % 3] ?? "", {
    atMs: NOW - 1_000_000 + Math.floor(at / 3) * 1_000,
    action: at % 7 === 0 ? Action.PURCHASE : Action.VIEW,
  }),
);

describe("history", () => {
  test("it is the latest 100 by time and id, whatever the order and the batches", async () => {
    const sorted = await createHarness();
    await feed(sorted, many);
    const expected = many.slice(-100).map(({ eventId }) => eventId);
    expect(await historyOf(sorted.profiles)).toEqual(expected);
    const [profile] = await sorted.profiles.read(["user"]);
    for (const [seed, batch] of [130, 64, 33, 7, 1].entries()) {
      const other = await createHarness();
      await feed(other, shuffled(many, mulberry32(seed)), batch);
      expect(await other.profiles.read(["user"])).toEqual([profile]);
    }
  });

  test("each user of a batch gets their own events and interest", async () => {
    const { updateProfiles, profiles } = await createHarness();
    await updateProfiles(
      PARTITION,
      placed([
        did("1", "lamp"),
        did("2", "desk", { userId: "other" }),
        did("3", "lamp", { atMs: NOW + 1 }),
      ]),
    );
    expect(await historyOf(profiles)).toEqual(["1", "3"]);
    expect(await historyOf(profiles, "other")).toEqual(["2"]);
    expect(await interestsOf(profiles)).toEqual([[1, 0, 0]]);
    expect(await interestsOf(profiles, "other")).toEqual([[0, 1, 0]]);
  });

  test("one event id of two users is two events", async () => {
    const { updateProfiles, profiles } = await createHarness();
    const both = [did("same", "lamp"), did("same", "lamp", { userId: "other" })];
    await updateProfiles(PARTITION, placed(both));
    expect(await historyOf(profiles)).toEqual(["same"]);
    expect(await historyOf(profiles, "other")).toEqual(["same"]);
    expect(await popularityOf(profiles, "lamp")).toBe(2);
  });
});

describe("duplicates, replays and crashes", () => {
  const events = [
    did("1", "lamp", { action: Action.PURCHASE }),
    did("2", "desk"),
    did("3", "desk", { userId: "other", action: Action.CLICK }),
    did("4", "chair", { atMs: NOW + 5 }),
  ];

  test.each([10, 2, 1])(
    "an event that is published twice counts once, in batches of %i",
    async (batch) => {
      const once = await createHarness();
      await feed(once, events);
      const twice = await createHarness();
      await feed(
        twice,
        events.flatMap((event) => [event, event]),
        batch,
      );
      expect(await bytesOf(twice.profiles)).toBe(await bytesOf(once.profiles));
      expect(await popularityOf(twice.profiles, "desk")).toBeCloseTo(
        (actionWeights["view"] ?? 0) + (actionWeights["click"] ?? 0),
        12,
      );
    },
  );

  test.each([2, 1])("a second event of the same id is ignored, in batches of %i", async (batch) => {
    const played = await createHarness();
    const second = did("1", "desk", { action: Action.PURCHASE, atMs: NOW + 9 });
    await feed(played, [did("1", "lamp"), second], batch);
    const [profile] = await played.profiles.read(["user"]);
    expect(profile?.history).toEqual([
      { eventId: "1", productId: "lamp", action: "view", occurredAtMs: NOW },
    ]);
    expect(await popularityOf(played.profiles, "desk")).toBe(0);
  });

  test.each([130, 50, 1])(
    "a replay from offset 0 in batches of %i changes nothing, byte for byte",
    async (batch) => {
      const played = await createHarness();
      const log = [...shuffled(many, mulberry32(9)), did("x", "desk", { userId: "other" })];
      await feed(played, log, 40);
      const before = await bytesOf(played.profiles);
      await feed(played, log, batch);
      expect(await bytesOf(played.profiles)).toBe(before);
    },
  );

  test.each([
    ["before the profiles are written", { written: false }],
    ["after the profiles are written", { written: true }],
  ])(
    "a batch that fails %s counts nothing twice, also with more behind it",
    async (_, { written }) => {
      const more = [
        did("5", "lamp"),
        // A duplicate of what was counted before the failure.
        did("1", "lamp", { action: Action.PURCHASE }),
        did("6", "desk", { userId: "other" }),
      ];
      const expected = await createHarness();
      await feed(expected, [...events, ...more]);

      for (const behind of [[], more]) {
        let failing = true;
        const { updateProfiles, profiles } = await createHarness((store) => ({
          ...store,
          async update(updates) {
            if (!failing) return store.update(updates);
            if (written) await store.update(updates);
            throw new Error("the process dies");
          },
        }));
        await expect(updateProfiles(PARTITION, placed(events))).rejects.toThrow("dies");
        failing = false;
        await updateProfiles(PARTITION, placed([...events, ...behind]));
        if (behind.length === 0) await updateProfiles(PARTITION, placed(more, events.length));
        expect(await bytesOf(profiles)).toBe(await bytesOf(expected.profiles));
      }
    },
  );

  test("what another writer added in between is in the interest too", async () => {
    const between = async (store: ProfileStore): Promise<void> => {
      const interaction = {
        eventId: "elsewhere",
        productId: "desk",
        action: "view",
        occurredAtMs: NOW,
      } as const;
      await store.update([
        {
          userId: "user",
          source: { partition: PARTITION + 1, offset: 0n },
          change: () => ({ history: [interaction], interests: [] }),
        },
      ]);
    };
    const { updateProfiles, profiles } = await createHarness((store) => ({
      ...store,
      async addPopularity(...args) {
        await between(store);
        return store.addPopularity(...args);
      },
    }));
    await updateProfiles(PARTITION, placed([did("z", "lamp")]));
    expect(await historyOf(profiles)).toEqual(["elsewhere", "z"]);
    const [interest] = await interestsOf(profiles);
    expect(interest?.[0]).toBeGreaterThan(0);
    expect(interest?.[1]).toBeGreaterThan(0);
  });
});

describe("erasure", () => {
  test("it forgets everything about the user and nothing about others", async () => {
    const { updateProfiles, profiles } = await createHarness();
    await updateProfiles(
      PARTITION,
      placed([did("1", "lamp"), did("2", "desk", { userId: "other" })]),
    );
    await updateProfiles(PARTITION, placed([erased()], 2));
    expect(await profiles.read(["user"])).toEqual([undefined]);
    expect(await historyOf(profiles, "other")).toEqual(["2"]);
  });

  test("a replay resurrects no one, whatever the batches", async () => {
    const log = [did("1", "lamp"), did("2", "desk"), erased()];
    for (const batch of [3, 2, 1]) {
      const played = await createHarness();
      await feed(played, log, batch);
      const before = await bytesOf(played.profiles);
      for (const again of [1, 2, 3]) await feed(played, log, again);
      expect(await played.profiles.read(["user"])).toEqual([undefined]);
      expect(await bytesOf(played.profiles)).toBe(before);
    }
  });

  test("what comes after it begins a new history, whatever the batches", async () => {
    const later = { atMs: NOW + 1 };
    const log = [
      did("0", "chair"),
      did("1", "lamp"),
      erased(),
      did("1", "lamp"),
      did("2", "desk", later),
    ];
    const outcomes = new Set<string>();
    for (const batch of [5, 4, 3, 2, 1]) {
      const played = await createHarness();
      await feed(played, log, batch);
      expect(await historyOf(played.profiles)).toEqual(["1", "2"]);
      outcomes.add(await bytesOf(played.profiles));
    }
    expect(outcomes.size).toBe(1);
  });
});

describe("interests", () => {
  test("they are what the bundle's pooling makes of the history", async () => {
    const { updateProfiles, profiles } = await createHarness();
    await updateProfiles(
      PARTITION,
      placed([
        did("1", "lamp", { action: Action.PURCHASE, atMs: NOW - 86_400_000 }),
        did("2", "chair", { action: Action.DISMISS }),
        did("3", "desk", { action: Action.ADD_TO_CART }),
      ]),
    );
    const of = (productId: string) => new Float32Array(VECTORS[productId] ?? []);
    const expected = pool(bundle.interests, [
      { vector: of("lamp"), action: "purchase", occurredAtMs: NOW - 86_400_000 },
      { vector: of("chair"), action: "dismiss", occurredAtMs: NOW },
      { vector: of("desk"), action: "add-to-cart", occurredAtMs: NOW },
    ]);
    expect(await interestsOf(profiles)).toEqual([Array.from(expected ?? [])]);
  });

  test("a bundle with multi-interest stores one per kind of product, the newest first", async () => {
    const multiInterest = { max: 2, cosine: 0.6, share: 0.5, rounds: 3 };
    const served = { ...bundle, interests: { ...bundle.interests, multiInterest } };
    const { updateProfiles, profiles } = await createHarness((same) => same, served);
    await updateProfiles(
      PARTITION,
      placed([did("1", "lamp", { atMs: NOW - 1 }), did("2", "desk"), did("3", "chair")]),
    );
    const interests = await interestsOf(profiles);
    expect(interests.length).toBe(2);
    const [desks, lamps] = interests.map(([lamp, desk]) => (desk ?? 0) - (lamp ?? 0));
    expect(desks).toBeGreaterThan(lamps!);
  });

  test.each([
    [Action.DISMISS, "dismiss"],
    [Action.RETURN, "return"],
  ])("a negative action (%i) pushes away and takes popularity", async (action, name) => {
    const { updateProfiles, profiles } = await createHarness();
    const bought = { action: Action.PURCHASE };
    await updateProfiles(PARTITION, placed([did("1", "lamp"), did("2", "chair", bought)]));
    const [before] = await interestsOf(profiles);
    await updateProfiles(PARTITION, placed([did("3", "chair", { action, atMs: NOW + 1 })], 2));
    const [after] = await interestsOf(profiles);
    expect(after?.[2]).toBeLessThan(before?.[2] ?? 0);
    expect(await popularityOf(profiles, "chair")).toBeCloseTo(
      Math.max(0, (actionWeights["purchase"] ?? 0) + (actionWeights[name] ?? 0)),
      6,
    );
  });

  test("dislikes alone name no interest", async () => {
    const { updateProfiles, profiles } = await createHarness();
    await updateProfiles(PARTITION, placed([did("1", "lamp", { action: Action.DISMISS })]));
    expect(await historyOf(profiles)).toEqual(["1"]);
    expect(await interestsOf(profiles)).toEqual([]);
    expect(await popularityOf(profiles, "lamp")).toBe(0);
  });

  test("a product that the index learns of later heals the interest with the next event", async () => {
    const { updateProfiles, profiles, index } = await createHarness();
    await updateProfiles(PARTITION, placed([did("1", "new")]));
    expect(await historyOf(profiles)).toEqual(["1"]);
    expect(await interestsOf(profiles)).toEqual([]);
    await addProduct(index, "new");
    await updateProfiles(PARTITION, placed([did("2", "unknown", { atMs: NOW + 1 })], 1));
    const [interest] = await interestsOf(profiles);
    expect(interest?.map((each) => each.toFixed(6))).toEqual(["0.600000", "0.000000", "0.800000"]);
  });
});

describe("reading the index", () => {
  test("a batch of many users reads it once, with each product once", async () => {
    const { updateProfiles, reads } = await createHarness();
    const users = Array.from({ length: 40 }, (_, at) => `user-${at}`);
    // Half of the products are unknown: these are not cached, and still not read again.
    const batch = users.flatMap((userId, at) => [
      did("1", "lamp", { userId }),
      did("2", `unknown-${at % 4}`, { userId }),
    ]);
    await updateProfiles(PARTITION, placed(batch));
    expect(reads.map((ids) => ids.toSorted())).toEqual([
      ["lamp", "unknown-0", "unknown-1", "unknown-2", "unknown-3"],
    ]);
  });

  test("products that were just read are not read again", async () => {
    const { updateProfiles, reads } = await createHarness();
    await updateProfiles(PARTITION, placed([did("1", "lamp")]));
    await updateProfiles(PARTITION, placed([did("2", "lamp", { userId: "other" })], 1));
    await updateProfiles(PARTITION, placed([did("3", "desk", { userId: "other" })], 2));
    expect(reads).toEqual([["lamp"], ["desk"]]);
  });
});
