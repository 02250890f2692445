import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, describe, expect, test } from "@jest/globals";
import { createUntil } from "@marquetry/testing/until";
import { HISTORY_EVENTS_MAX } from "./profile-store.js";
import type {
  PopularityEvent,
  Profile,
  ProfileStore,
  ProfileStoreOptions,
  ProfileUpdate,
} from "./profile-store.js";
import type { Interaction } from "@marquetry/contracts/interactions";

const HOUR_MS = 3_600_000;
const T0 = Date.UTC(2026, 10, 1);
const until = createUntil(10_000, 0);
const EMPTY: Profile = { history: [], interests: [] };

/**
 * The guarantees of `ProfileStore`, one test each. `open` is called several times with one bundle id
 * and must answer stores on the same data then.
 */
export function describeProfileStore(
  name: string,
  open: (options: Required<ProfileStoreOptions>) => ProfileStore,
): void {
  describe(name, () => {
    const stores: ProfileStore[] = [];

    function openStore(options: Partial<ProfileStoreOptions> = {}): ProfileStore {
      const store = open({
        bundleId: `bundle-${randomUUID()}`,
        ttlSeconds: 60,
        popularityHalfLifeMs: HOUR_MS,
        popularityProductsMax: 1_000,
        ...options,
      });
      stores.push(store);
      return store;
    }

    afterAll(async () => {
      for (const store of stores) await store.clear();
      for (const store of stores) await store.close();
    });

    describeProfiles(openStore);
    describeUpdates(openStore);
    describeErasure(openStore);
    describePopularity(openStore);
    describePopularityBounds(openStore);
  });
}

type OpenStore = (options?: Partial<ProfileStoreOptions>) => ProfileStore;

function describeProfiles(openStore: OpenStore): void {
  test("a store that is open answers", async () => {
    await openStore().ping();
  });

  test("profiles are read back bit for bit, in the order asked", async () => {
    const store = openStore();
    const profile: Profile = {
      history: [
        interaction(0, { action: "view", occurredAtMs: 0, productId: "\uFEFFléger 🧥" }),
        interaction(1, { action: "return", occurredAtMs: Number.MAX_SAFE_INTEGER }),
      ],
      interests: [Float32Array.of(0.1, -0, 1e-45, 3.4028234e38), Float32Array.of(1, 2, 3, -1e-39)],
    };
    await store.update([replace("full", profile), replace("empty", EMPTY)]);

    const [none, full, empty] = await store.read(["nobody", "full", "empty"]);

    expect(none).toBeUndefined();
    expectSame(full, profile);
    expectSame(empty, EMPTY);
  });

  test("a long list of users is read in its order", async () => {
    const store = openStore();
    await store.update([replace("u7", profileOf(7)), replace("u998", profileOf(998))]);

    const profiles = await store.read(Array.from({ length: 1_000 }, (_, i) => `u${i}`));

    expect(profiles).toHaveLength(1_000);
    expectSame(profiles[7], profileOf(7));
    expectSame(profiles[998], profileOf(998));
    expect(profiles.filter((profile) => profile !== undefined)).toHaveLength(2);
  });

  test("user ids of braces, spaces, patterns and any script are users of their own", async () => {
    const store = openStore();
    const ids = [
      "a",
      "{a}",
      "}{",
      "{",
      "}",
      "{}a",
      "a b",
      "%7Ba%7D",
      "a:b",
      "a*",
      "[a]",
      "用户",
      "👩‍🚀",
    ];
    const results = await store.update(ids.map((id, i) => replace(id, profileOf(i))));

    expect(results).toEqual(ids.map(() => "applied"));
    const profiles = await store.read(ids);
    for (const [i, profile] of profiles.entries()) expectSame(profile, profileOf(i));
  });

  test("what was read is no way into the store", async () => {
    const store = openStore();
    await store.update([replace("u", profileOf(1))]);
    const [read] = await store.read(["u"]);
    read!.interests[0]!.fill(9);
    (read!.history as Interaction[]).length = 0;

    expectSame((await store.read(["u"]))[0], profileOf(1));
  });

  test("a profile expires its time to live after the last write", async () => {
    const store = openStore({ ttlSeconds: 1 });
    const before = Date.now();
    await store.update([replace("u", profileOf(1))]);
    expectSame((await store.read(["u"]))[0], profileOf(1));

    await until("expired", async () => (await store.read(["u"]))[0] === undefined);
    expect(Date.now() - before).toBeGreaterThanOrEqual(990);
  });

  test("bundles never see each other, and clear() deletes one of them only", async () => {
    const bundleId = `bundle-${randomUUID()}`;
    const [store, longer, pattern] = [
      openStore({ bundleId }),
      openStore({ bundleId: `${bundleId}:x` }),
      openStore({ bundleId: `${bundleId.slice(0, -1)}*` }),
    ];
    const all = [store, longer, pattern];
    for (const [i, one] of all.entries()) {
      await one.update([replace("u", profileOf(i))]);
      await one.addPopularity({ partition: 0, offset: 0n }, [sold("p", i + 1)]);
    }
    await pattern.clear();
    await store.clear();

    expect(await store.read(["u"])).toEqual([undefined]);
    expect(await pattern.read(["u"])).toEqual([undefined]);
    expectSame((await longer.read(["u"]))[0], profileOf(1));
    expect(Array.from(await store.popularity(["p"], T0))).toEqual([0]);
    expect(Array.from(await longer.popularity(["p"], T0))).toEqual([2]);
    // The offsets are gone too: the bundle may be built again from the start of the topic.
    expect(await store.update([replace("u", profileOf(5))])).toEqual(["applied"]);
    expect(await store.addPopularity({ partition: 0, offset: 0n }, [sold("p", 1)])).toBe("applied");
  });
}

function describeUpdates(openStore: OpenStore): void {
  test("two writers of one user never lose an update", async () => {
    const bundleId = `bundle-${randomUUID()}`;
    const writers = [openStore({ bundleId }), openStore({ bundleId })];
    const each = HISTORY_EVENTS_MAX / writers.length;

    await Promise.all(
      writers.map(async (store, partition) => {
        for (let offset = 0; offset < each; offset += 1) {
          const source = { partition, offset: BigInt(offset) };
          const [result] = await store.update([append("u", source)]);
          expect(result).toBe("applied");
        }
      }),
    );

    const [profile] = await writers[0]!.read(["u"]);
    const events = profile!.history.map(({ eventId }) => eventId);
    expect(new Set(events).size).toBe(HISTORY_EVENTS_MAX);
    for (const partition of [0, 1]) {
      const own = events.filter((id) => id.startsWith(`${partition}-`));
      expect(own).toEqual(Array.from({ length: each }, (_, i) => `${partition}-${i}`));
    }
  });

  test("many writers of one user at once all get through", async () => {
    const store = openStore();
    const partitions = Array.from({ length: 24 }, (_, partition) => partition);
    const results = await Promise.all(
      partitions.map((partition) => store.update([append("u", { partition, offset: 0n })])),
    );

    expect(results.flat()).toEqual(partitions.map(() => "applied"));
    const [profile] = await store.read(["u"]);
    expect(profile!.history.map(({ eventId }) => eventId).toSorted()).toEqual(
      partitions.map((partition) => `${partition}-0`).toSorted(),
    );
  });

  test("the loser of a race computes its change again on the winner's profile", async () => {
    const store = openStore();
    const seen: number[] = [];
    const results = await store.update([
      {
        userId: "u",
        source: { partition: 0, offset: 0n },
        change: async (stored) => {
          seen.push(stored.history.length);
          if (seen.length === 1) await store.update([append("u", { partition: 1, offset: 0n })]);
          return appended(stored, "0-0");
        },
      },
    ]);

    expect(results).toEqual(["applied"]);
    expect(seen).toEqual([0, 1]);
    expect((await store.read(["u"]))[0]!.history).toHaveLength(2);
  });

  test("a writer that loses every race is refused as overloaded, and nothing of it is kept", async () => {
    const store = openStore();
    let others = 0n;
    const loser: ProfileUpdate = {
      userId: "u",
      source: { partition: 0, offset: 0n },
      change: async () => {
        await store.update([replace("u", profileOf(1), { partition: 1, offset: others })]);
        others += 1n;
        return profileOf(2);
      },
    };
    await expect(store.update([loser])).rejects.toMatchObject({ code: "overloaded" });
    expectSame((await store.read(["u"]))[0], profileOf(1));
  });

  test("a replayed or older offset of a partition changes nothing and computes nothing", async () => {
    const store = openStore();
    await store.update([replace("u", profileOf(1), { partition: 3, offset: 10n })]);
    for (const offset of [10n, 9n, 0n]) {
      let calls = 0;
      const source = { partition: 3, offset };
      const change = () => {
        calls += 1;
        return profileOf(2);
      };
      expect(await store.update([{ userId: "u", source, change }])).toEqual(["already-applied"]);
      expect(calls).toBe(0);
    }
    expectSame((await store.read(["u"]))[0], profileOf(1));
  });

  test("of two deliveries of one record at the same time one is applied", async () => {
    const store = openStore();
    const source = { partition: 0, offset: 5n };
    const results = await Promise.all([
      store.update([append("u", source)]),
      store.update([append("u", source)]),
    ]);
    expect(results.flat().toSorted()).toEqual(["already-applied", "applied"]);
    expect((await store.read(["u"]))[0]!.history).toHaveLength(1);
  });

  test("offsets of partitions, and of users, are independent of each other", async () => {
    const store = openStore();
    await store.update([append("u", { partition: 0, offset: 100n })]);
    const results = await store.update([
      append("u", { partition: 1, offset: 7n }),
      append("v", { partition: 0, offset: 50n }),
    ]);
    expect(results).toEqual(["applied", "applied"]);
    expect(await store.update([append("u", { partition: 0, offset: 99n })])).toEqual([
      "already-applied",
    ]);
    expect((await store.read(["u"]))[0]!.history).toHaveLength(2);
  });

  test("offsets are compared as whole numbers, also beyond 2^53", async () => {
    const store = openStore();
    const offsets = [9n, 10n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n];
    for (const offset of offsets) {
      const source = { partition: 0, offset };
      expect(await store.update([append("u", source)])).toEqual(["applied"]);
      expect(await store.update([append("u", source)])).toEqual(["already-applied"]);
      expect(await store.addPopularity(source, [sold("p", 1)])).toBe("applied");
      expect(await store.addPopularity(source, [sold("p", 1)])).toBe("already-applied");
    }
    expect(Array.from(await store.popularity(["p"], T0))).toEqual([offsets.length]);
  });

  test("a change that throws leaves its user untouched, the others are applied, the call fails", async () => {
    const store = openStore();
    await store.update([replace("b", profileOf(1))]);
    const source = { partition: 0, offset: 1n };
    const failing: ProfileUpdate = {
      userId: "b",
      source,
      change: async () => {
        await nextTurn();
        throw new Error("no such vector");
      },
    };
    await expect(store.update([append("a", source), failing, append("c", source)])).rejects.toThrow(
      "no such vector",
    );

    const [a, b, c] = await store.read(["a", "b", "c"]);
    expect(a!.history).toHaveLength(1);
    expectSame(b, profileOf(1));
    expect(c!.history).toHaveLength(1);
    // The whole batch again: nobody twice, and the one that failed now.
    expect(
      await store.update([append("a", source), append("b", source), append("c", source)]),
    ).toEqual(["already-applied", "applied", "already-applied"]);
  });

  test("a thousand users are updated in one call, results in their order", async () => {
    const store = openStore();
    const ids = Array.from({ length: 1_000 }, (_, i) => `u${i}`);
    await store.update([append("u500", { partition: 0, offset: 0n })]);
    const results = await store.update(ids.map((id) => append(id, { partition: 0, offset: 0n })));

    expect(results).toEqual(ids.map((id) => (id === "u500" ? "already-applied" : "applied")));
    const profiles = await store.read(ids);
    expect(profiles.every((profile) => profile?.history.length === 1)).toBe(true);
  });

  test("no updates are no results", async () => {
    expect(await openStore().update([])).toEqual([]);
  });

  const full = Array.from({ length: HISTORY_EVENTS_MAX }, (_, i) => interaction(i));

  test("a history of the bound is kept", async () => {
    const store = openStore();
    await store.update([replace("u", { history: full, interests: [] })]);
    expect((await store.read(["u"]))[0]!.history).toEqual(full);
  });

  const refused: [string, Profile][] = [
    ["a history over its bound", { ...EMPTY, history: [...full, interaction(HISTORY_EVENTS_MAX)] }],
    ["a history out of order", { ...EMPTY, history: [interaction(1), interaction(0)] }],
    ["a time that is not whole", { ...EMPTY, history: [interaction(0, { occurredAtMs: 0.5 })] }],
    ["an empty product id", { ...EMPTY, history: [interaction(0, { productId: "" })] }],
    ["half a surrogate pair", { ...EMPTY, history: [interaction(0, { eventId: "\ud83e" })] }],
    ["a vector with NaN", { ...EMPTY, interests: [Float32Array.of(1, Number.NaN)] }],
    ["a vector with infinity", { ...EMPTY, interests: [Float32Array.of(-Infinity)] }],
    [
      "vectors of two dimensions",
      { ...EMPTY, interests: [Float32Array.of(1), new Float32Array(2)] },
    ],
    ["a vector of no dimension", { ...EMPTY, interests: [new Float32Array(0)] }],
  ];
  test.each(refused)("%s is refused, what is stored stays", async (_what, profile) => {
    const store = openStore();
    await store.update([replace("u", profileOf(1), { partition: 0, offset: 0n })]);
    const source = { partition: 0, offset: 1n };
    await expect(store.update([replace("u", profile, source)])).rejects.toMatchObject({
      code: "invalid",
    });
    expectSame((await store.read(["u"]))[0], profileOf(1));
    expect(await store.update([append("u", source)])).toEqual(["applied"]);
  });

  test("a user named twice, an unusable id and a negative offset are refused", async () => {
    const store = openStore();
    const wrong = [
      [append("u", { partition: 0, offset: 0n }), append("u", { partition: 0, offset: 1n })],
      [append("", { partition: 0, offset: 0n })],
      [append("\udc00", { partition: 0, offset: 0n })],
      [append("u", { partition: 0, offset: -1n })],
      [append("u", { partition: 0.5, offset: 0n })],
    ];
    for (const updates of wrong) {
      await expect(store.update(updates)).rejects.toMatchObject({ code: "invalid" });
    }
    expect(await store.read(["u"])).toEqual([undefined]);
  });
}

function describeErasure(openStore: OpenStore): void {
  test("an erased user is gone, and a replay brings nothing back", async () => {
    const store = openStore();
    await store.update([append("u", { partition: 0, offset: 0n })]);
    await store.update([append("u", { partition: 1, offset: 4n })]);
    expect(await store.update([erase("u", { partition: 0, offset: 1n })])).toEqual(["applied"]);
    expect(await store.read(["u"])).toEqual([undefined]);

    for (const source of [
      { partition: 0, offset: 0n },
      { partition: 0, offset: 1n },
      { partition: 1, offset: 4n },
    ]) {
      expect(await store.update([append("u", source)])).toEqual(["already-applied"]);
    }
    expect(await store.read(["u"])).toEqual([undefined]);
  });

  test("a user who comes back after erasure starts empty", async () => {
    const store = openStore();
    await store.update([replace("u", profileOf(3), { partition: 0, offset: 0n })]);
    await store.update([erase("u", { partition: 0, offset: 1n })]);
    const seen: Profile[] = [];
    await store.update([
      {
        userId: "u",
        source: { partition: 0, offset: 2n },
        change: (stored) => {
          seen.push(stored);
          return appended(stored, "back");
        },
      },
    ]);
    expect(seen).toEqual([EMPTY]);
    expect((await store.read(["u"]))[0]!.history.map(({ eventId }) => eventId)).toEqual(["back"]);
  });

  test("erasing a user nobody knows keeps the guard", async () => {
    const store = openStore();
    expect(await store.update([erase("u", { partition: 0, offset: 9n })])).toEqual(["applied"]);
    expect(await store.update([append("u", { partition: 0, offset: 8n })])).toEqual([
      "already-applied",
    ]);
    expect(await store.read(["u"])).toEqual([undefined]);
  });

  test("an erasure that a writer overtakes still erases, and an erased race loser starts empty", async () => {
    const store = openStore();
    await store.update([replace("u", profileOf(1), { partition: 0, offset: 0n })]);
    const seen: number[] = [];
    await store.update([
      {
        userId: "u",
        source: { partition: 1, offset: 0n },
        change: async (stored) => {
          seen.push(stored.history.length);
          if (seen.length === 1) await store.update([erase("u", { partition: 0, offset: 1n })]);
          return appended(stored, "after");
        },
      },
    ]);
    expect(seen).toEqual([profileOf(1).history.length, 0]);
    expect((await store.read(["u"]))[0]!.history).toHaveLength(1);
  });
}

function describePopularity(openStore: OpenStore): void {
  test("popularity halves with every half-life, and halves of halves compose", async () => {
    const store = openStore();
    await store.addPopularity({ partition: 0, offset: 0n }, [sold("p", 8)]);
    for (const [hours, expected] of [
      [0, 8],
      [1, 4],
      [2, 2],
      [3, 1],
      [0.5, 8 * Math.SQRT1_2],
    ] as const) {
      await expectPopularity(store, ["p"], T0 + hours * HOUR_MS, [expected]);
    }
  });

  test("a counter is the sum of its decayed weights, in whatever order they came", async () => {
    const events = [sold("p", 3, 0), sold("p", 5, 2), sold("q", 1, 1), sold("p", 0.7, 1.3)];
    const expected = 3 * 2 ** -4 + 5 * 2 ** -2 + 0.7 * 2 ** -2.7;
    for (const order of [events, events.toReversed()]) {
      const store = openStore();
      for (const [i, event] of order.entries()) {
        await store.addPopularity({ partition: 0, offset: BigInt(i) }, [event]);
      }
      await expectPopularity(store, ["p", "unknown", "q"], T0 + 4 * HOUR_MS, [
        expected,
        0,
        2 ** -3,
      ]);
    }
  });

  test("weights keep every bit of a double", async () => {
    const store = openStore();
    const weight = 0.1 + 0.2;
    await store.addPopularity({ partition: 0, offset: 0n }, [sold("p", weight)]);
    expect(Array.from(await store.popularity(["p"], T0))).toEqual([weight]);
  });

  test("a replayed or older offset adds nothing; partitions are independent", async () => {
    const store = openStore();
    const add = (partition: number, offset: bigint) =>
      store.addPopularity({ partition, offset }, [sold("p", 1)]);
    expect(await add(0, 5n)).toBe("applied");
    expect(await add(0, 5n)).toBe("already-applied");
    expect(await add(0, 4n)).toBe("already-applied");
    expect(await add(1, 4n)).toBe("applied");
    await expectPopularity(store, ["p"], T0, [2]);
  });

  test("a batch that comes again with events behind it adds only these", async () => {
    const store = openStore();
    const at = (offset: bigint) => ({ ...sold("p", 1), offset });
    await store.addPopularity({ partition: 0, offset: 9n }, [at(7n), at(9n)]);
    await store.addPopularity({ partition: 0, offset: 10n }, [at(7n), at(9n), at(10n)]);
    await expectPopularity(store, ["p"], T0, [3]);
  });

  test("a call without events still moves the guard", async () => {
    const store = openStore();
    expect(await store.addPopularity({ partition: 0, offset: 5n }, [])).toBe("applied");
    expect(await store.addPopularity({ partition: 0, offset: 5n }, [sold("p", 1)])).toBe(
      "already-applied",
    );
    expect(await store.mostPopular(10, T0)).toEqual([]);
    expect(Array.from(await store.popularity(["p"], T0))).toEqual([0]);
  });

  test("writers at the same time never lose a weight", async () => {
    const bundleId = `bundle-${randomUUID()}`;
    const writers = [openStore({ bundleId }), openStore({ bundleId })];
    await Promise.all(
      writers.flatMap((store, partition) =>
        Array.from({ length: 20 }, (_, i) =>
          store.addPopularity({ partition: partition * 20 + i, offset: 0n }, [sold("p", 1)]),
        ),
      ),
    );
    await expectPopularity(writers[0]!, ["p"], T0, [40]);
  });

  test("a sum below 0 reads as 0 and is not popular, but is still summed", async () => {
    const store = openStore();
    await store.addPopularity({ partition: 0, offset: 0n }, [sold("p", -3), sold("q", 1)]);
    await expectPopularity(store, ["p"], T0, [0]);
    expect(await store.mostPopular(10, T0)).toEqual([{ productId: "q", popularity: 1 }]);

    await store.addPopularity({ partition: 0, offset: 1n }, [sold("p", 5)]);
    await expectPopularity(store, ["p"], T0, [2]);
  });

  test("the most popular come highest first, ties by ascending id, within the limit", async () => {
    const store = openStore();
    const ids = ["b", "a", "\u{1f9e5}", "\uff5e", "B", "ab"];
    await store.addPopularity({ partition: 0, offset: 0n }, [
      ...ids.map((id) => sold(id, 2)),
      sold("top", 3),
      sold("low", 1),
    ]);
    const expected = ["top", "B", "a", "ab", "b", "\uff5e", "\u{1f9e5}", "low"];
    for (const limit of [0, 1, 3, 7, 100]) {
      const found = await store.mostPopular(limit, T0 + HOUR_MS);
      expect(found.map(({ productId }) => productId)).toEqual(expected.slice(0, limit));
    }
    expect((await store.mostPopular(1, T0 + HOUR_MS))[0]!.popularity).toBeCloseTo(1.5, 12);
  });

  test("more products are asked for than one round trip takes", async () => {
    const store = openStore({ popularityProductsMax: 5_000 });
    const ids = Array.from({ length: 2_500 }, (_, i) => `p${i}`);
    await store.addPopularity(
      { partition: 0, offset: 0n },
      ids.map((id, i) => sold(id, i + 1)),
    );
    await expectPopularity(
      store,
      ids,
      T0,
      ids.map((_, i) => i + 1),
    );
    expect(await store.popularity([], T0)).toHaveLength(0);
  });

  test("weights and times that are no numbers are refused", async () => {
    const store = openStore();
    const wrong = [
      sold("p", Number.NaN),
      sold("p", Infinity),
      sold("p", 1, Number.NaN),
      sold("", 1),
    ];
    for (const event of wrong) {
      const added = store.addPopularity({ partition: 0, offset: 0n }, [sold("p", 1), event]);
      await expect(added).rejects.toMatchObject({ code: "invalid" });
    }
    await expect(store.popularity(["p"], Number.NaN)).rejects.toMatchObject({ code: "invalid" });
    await expect(store.mostPopular(1, Infinity)).rejects.toMatchObject({ code: "invalid" });
    await expectPopularity(store, ["p"], T0, [0]);
  });
}

function describePopularityBounds(openStore: OpenStore): void {
  test("at most the configured number of products is kept, the least popular leave", async () => {
    const store = openStore({ popularityProductsMax: 3 });
    await store.addPopularity({ partition: 0, offset: 0n }, [
      sold("a", 5),
      sold("negative", -1),
      sold("b", 4),
      sold("c", 3),
    ]);
    // One half-life later c counts 1.5 and d 2: c leaves.
    await store.addPopularity({ partition: 0, offset: 1n }, [sold("d", 2, 1)]);

    const found = await store.mostPopular(10, T0 + HOUR_MS);
    expect(found.map(({ productId }) => productId)).toEqual(["a", "b", "d"]);
    await expectPopularity(store, ["c", "negative"], T0 + HOUR_MS, [0, 0]);
  });

  test("of equally popular products those of the smaller ids stay", async () => {
    const store = openStore({ popularityProductsMax: 2 });
    await store.addPopularity(
      { partition: 0, offset: 0n },
      ["c", "a", "b"].map((id) => sold(id, 1)),
    );
    const found = await store.mostPopular(10, T0);
    expect(found.map(({ productId }) => productId)).toEqual(["a", "b"]);
  });

  test("years of half-lives overflow nothing: what is recent counts, what is old has decayed", async () => {
    const store = openStore();
    // 40 steps of 100 half-lives: 2^4000 from the first to the last, a double ends at 2^1024.
    for (let step = 0; step <= 40; step += 1) {
      await store.addPopularity({ partition: 0, offset: BigInt(step) }, [
        sold("steady", 1, step * 100),
        sold(`once-${step}`, 2, step * 100),
      ]);
      const atMs = T0 + step * 100 * HOUR_MS;
      await expectPopularity(store, ["steady", `once-${step}`], atMs, [1, 2]);
      const last = `once-${Math.max(0, step - 1)}`;
      await expectPopularity(store, [last], atMs, [step === 0 ? 2 : 2 * 2 ** -100]);
    }
    const endMs = T0 + 4_000 * HOUR_MS;
    const found = await store.mostPopular(3, endMs);
    expect(found.map(({ productId }) => productId)).toEqual(["once-40", "steady", "once-39"]);
  });

  test("moving the landmark changes no popularity", async () => {
    const store = openStore();
    const halfLives = 600;
    await store.addPopularity({ partition: 0, offset: 0n }, [
      sold("a", 3),
      sold("b", -2),
      sold("b", 7),
    ]);
    await store.addPopularity({ partition: 0, offset: 1n }, [sold("new", 1, halfLives)]);
    await expectPopularity(store, ["a", "b"], T0, [3, 5]);
    await expectPopularity(store, ["a", "new"], T0 + halfLives * HOUR_MS, [3 * 2 ** -halfLives, 1]);
    await store.addPopularity({ partition: 0, offset: 2n }, [sold("a", 1, 0)]);
    await expectPopularity(store, ["a"], T0, [4]);
  });

  test("an event too far in the past to count breaks nothing", async () => {
    const store = openStore();
    await store.addPopularity({ partition: 0, offset: 0n }, [sold("p", 1)]);
    await store.addPopularity({ partition: 0, offset: 1n }, [
      sold("p", 1, -5_000),
      sold("old", 1, -5_000),
    ]);
    await expectPopularity(store, ["p", "old"], T0, [1, 0]);
    expect(await store.mostPopular(10, T0)).toEqual([{ productId: "p", popularity: 1 }]);
  });

  test("popularity is finite and never NaN however far away it is asked for", async () => {
    const store = openStore();
    await store.addPopularity({ partition: 0, offset: 0n }, [sold("p", 1), sold("q", -1)]);
    for (const hours of [-1e6, -2_000, 2_000, 1e6]) {
      const [p, q, none] = await store.popularity(["p", "q", "none"], T0 + hours * HOUR_MS);
      expect(Number.isFinite(p)).toBe(true);
      expect([q, none]).toEqual([0, 0]);
      if (hours > 0) expect(p).toBe(0);
    }
  });
}

function interaction(i: number, changed: Partial<Interaction> = {}): Interaction {
  return {
    eventId: `event-${i}`,
    productId: `product-${i}`,
    action: "click",
    occurredAtMs: T0 + i * 1_000,
    ...changed,
  };
}

function profileOf(i: number): Profile {
  return {
    history: [interaction(i), interaction(i + 1, { action: "purchase" })],
    interests: [Float32Array.of(i, i / 3, -i)],
  };
}

function replace(
  userId: string,
  profile: Profile,
  source = { partition: 0, offset: 0n },
): ProfileUpdate {
  return { userId, source, change: () => profile };
}

/** Appends the event `<partition>-<offset>`, a turn of the event loop later. */
function append(userId: string, source: ProfileUpdate["source"]): ProfileUpdate {
  return {
    userId,
    source,
    change: async (stored) => {
      await nextTurn();
      return appended(stored, `${source.partition}-${source.offset}`);
    },
  };
}

function erase(userId: string, source: ProfileUpdate["source"]): ProfileUpdate {
  return { userId, source, change: () => undefined };
}

function appended(stored: Profile, eventId: string): Profile {
  const occurredAtMs = stored.history.at(-1)?.occurredAtMs ?? T0;
  return { ...stored, history: [...stored.history, interaction(0, { eventId, occurredAtMs })] };
}

function sold(productId: string, weight: number, hours = 0): PopularityEvent {
  return { productId, weight, occurredAtMs: T0 + hours * HOUR_MS };
}

/** Same interactions and the same bits in every vector. */
function expectSame(actual: Profile | undefined, expected: Profile): void {
  expect(actual).toBeDefined();
  expect(actual!.history).toEqual(expected.history);
  expect(actual!.interests.map(bits)).toEqual(expected.interests.map(bits));
}

function bits(vector: Float32Array): number[] {
  return Array.from(new Uint32Array(vector.buffer, vector.byteOffset, vector.length));
}

async function expectPopularity(
  store: ProfileStore,
  productIds: readonly string[],
  atMs: number,
  expected: readonly number[],
): Promise<void> {
  const actual = await store.popularity(productIds, atMs);
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(1e-12 * Math.abs(value));
  }
}
