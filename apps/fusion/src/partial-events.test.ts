/** Events that speak for some modalities only: any order, duplicates, replays and rival writers. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import type { ProductIndex } from "@marquetry/backends/product-index";
import { openProductIndex } from "@marquetry/backends/product-index/open";
import { FailureCause, ProductEmbeddedSchema } from "@marquetry/contracts/events/product_pb";
import type { ProductEmbedded } from "@marquetry/contracts/events/product_pb";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { mulberry32 } from "@marquetry/model/vectors/random";
import { vectorToBytes } from "@marquetry/model/vectors/vector";
import { zeroShotBundle } from "@marquetry/model/bundle/zero-shot";
import { createLogger } from "@marquetry/runtime/logger";
import { createMetrics } from "@marquetry/runtime/telemetry";
import { shuffled } from "@marquetry/testing/shuffled";
import { createFusionEvents } from "./events.js";
import { createFuseProducts } from "./fuse-products.js";
import type { FuseProducts } from "./fuse-products.js";
import { collectionOf } from "./product-point.js";

const ID = "product";
const NOW = Date.UTC(2026, 2, 1);
const DIMS = { text: 4, image: 6, video: 2, behaviour: 3 } as const;
type Modality = keyof typeof DIMS;
const MODALITIES = Object.keys(DIMS) as Modality[];
const bundle = await zeroShotBundle(
  {
    text: { encoder: "words", dims: 4 },
    image: { encoder: "pixels", dims: 6 },
    video: { encoder: "frames", dims: 2 },
    behaviour: { encoder: "shoppers", dims: 3 },
  },
  { dims: 4, weights: { behaviour: 0.5 } },
);
const collection = productCollection(bundle.id);

type Ending = "encoded" | "imputed" | "failed" | "absent";

/** One event: the outcome of each modality it speaks for; without `outcomes` it removes. */
interface EventSpec {
  readonly revision: number;
  readonly outcomes?: Partial<Record<Modality, Ending>>;
  /** Speaks for all content modalities without listing them. */
  readonly complete?: boolean;
  readonly title?: string;
  /** Another vector under the same digest, as a second machine may make. */
  readonly variant?: number;
}

function toEvent({ revision, outcomes, complete = false, title = "", variant = 0 }: EventSpec) {
  const base = { productId: ID, revision: BigInt(revision), occurredAt: timestampFromMs(NOW) };
  if (outcomes === undefined)
    return create(ProductEmbeddedSchema, { ...base, state: { case: "removed", value: {} } });
  const spoken = MODALITIES.filter((modality) => outcomes[modality] !== undefined);
  const ended = (ending: Ending) => spoken.filter((modality) => outcomes[modality] === ending);
  return create(ProductEmbeddedSchema, {
    ...base,
    state: {
      case: "embedded",
      value: {
        attributes: { title: `${title} as of ${revision}` },
        modalities: complete ? [] : spoken,
        absent: ended("absent"),
        failed: ended("failed").map((modality) => ({
          modality,
          cause: FailureCause.UNREACHABLE,
          detail: "",
        })),
        embeddings: [...ended("encoded"), ...ended("imputed")].map((modality) => ({
          modality,
          imputed: outcomes[modality] === "imputed",
          encoder: bundle.encoders[modality]!.encoder,
          digest: `${modality} ${revision}`,
          vector: vectorToBytes(
            Float32Array.from({ length: DIMS[modality] }, (_, i) => revision + i + variant / 8),
          ),
        })),
      },
    },
  });
}

const events = createFusionEvents({
  logger: createLogger("fusion", "silent"),
  metrics: createMetrics("fusion"),
});

function fuserOf(index: ProductIndex): FuseProducts {
  return createFuseProducts({ bundle, index, events });
}

async function newIndex(): Promise<ProductIndex> {
  const index = openProductIndex("memory:");
  await index.ensureCollection(collectionOf(bundle));
  return index;
}

async function stored(index: ProductIndex) {
  const points = await index.retrieve(collection, [ID], [...MODALITIES, FUSED_VECTOR]);
  return points.get(ID);
}

/** Everything that is stored, as text that is equal where every bit is. */
async function bytesOf(index: ProductIndex): Promise<string> {
  const { payload, vectors = {} } = (await stored(index)) ?? {};
  const hex = Object.entries(vectors).map(([name, vector]) => [
    name,
    Buffer.from(vectorToBytes(vector)).toString("hex"),
  ]);
  return JSON.stringify({ payload, hex }, undefined, 1);
}

async function fusedInOrder(events: readonly ProductEmbedded[]): Promise<string> {
  const index = await newIndex();
  for (const event of events) await fuserOf(index)([event]);
  return bytesOf(index);
}

function pick<Item>(items: readonly Item[], random: () => number): Item {
  return items[Math.floor(random() * items.length)]!;
}

/** A history as deployments apart, retries and a producer's removals make it. */
function history(random: () => number): EventSpec[] {
  return Array.from({ length: 2 + Math.floor(random() * 7) }, () => {
    const revision = 1 + Math.floor(random() * 4);
    if (random() < 0.15) return { revision };
    const complete = random() < 0.3;
    const outcomes: Partial<Record<Modality, Ending>> = {};
    for (const modality of MODALITIES) {
      const collaborative = modality === COLLABORATIVE;
      if (complete ? collaborative : random() < 0.5) continue;
      outcomes[modality] = collaborative
        ? pick(["encoded", "imputed", "imputed"], random)
        : pick(["encoded", "encoded", "failed", "absent"], random);
    }
    return {
      revision,
      outcomes,
      complete: complete || Object.keys(outcomes).length === 0,
      title: pick(["a", "b"], random),
      variant: Math.floor(random() * 2),
    };
  });
}

/** What must be known of a modality, from the set of events alone. */
function expectedEnding(events: readonly EventSpec[], modality: Modality): string | undefined {
  const removed = Math.max(0, ...events.filter(({ outcomes }) => !outcomes).map((e) => e.revision));
  const says = events
    .filter(({ outcomes, revision }) => outcomes !== undefined && revision > removed)
    .flatMap(({ outcomes, complete, revision }) => {
      const meant = complete && modality !== COLLABORATIVE;
      const ending = outcomes?.[modality] ?? (meant ? "absent" : undefined);
      return ending === undefined ? [] : [{ revision, ending }];
    });
  const last = Math.max(...says.map(({ revision }) => revision));
  const endings = new Set(
    says.filter(({ revision }) => revision === last).map(({ ending }) => ending),
  );
  const order = ["encoded", "imputed", "failed", "absent"] as const;
  const best = order.find((each) => endings.has(each));
  return best && `${best} ${last}`;
}

describe("events of modalities apart", () => {
  test("any order, batching, duplicates and replays end in the same bytes, the right ones", async () => {
    const random = mulberry32(20_261_124);
    let removedAtTheEnd = 0;
    for (let round = 0; round < 300; round += 1) {
      const specs = history(random);
      const events = specs.map(toEvent);
      const expected = await fusedInOrder(events);
      for (let order = 0; order < 4; order += 1) {
        const sequence = [...shuffled(events, random), ...shuffled(events, random).slice(0, 3)];
        const index = await newIndex();
        while (sequence.length > 0) {
          const size = 1 + Math.floor(random() * 4);
          expect(await fuserOf(index)(sequence.splice(0, size))).toEqual([]);
        }
        expect(await bytesOf(index)).toBe(expected);
        await fuserOf(index)(events);
        expect(await bytesOf(index)).toBe(expected);
      }
      const index = await newIndex();
      await fuserOf(index)(events);
      const { payload } = (await stored(index))!;
      const live = Math.max(...specs.filter((e) => e.outcomes).map((e) => e.revision), 0);
      const removal = Math.max(...specs.filter((e) => !e.outcomes).map((e) => e.revision), 0);
      expect(payload.removed).toBe(removal >= live);
      expect(payload.revision).toBe(Math.max(live, removal));
      if (payload.removed) removedAtTheEnd += 1;
      for (const modality of payload.removed ? [] : MODALITIES) {
        const outcome = payload.outcomes?.[modality];
        expect(outcome && `${outcome.outcome} ${outcome.revision}`).toBe(
          expectedEnding(specs, modality),
        );
        expect(payload.modalities.includes(modality)).toBe(
          ["encoded", "imputed"].includes(outcome?.outcome ?? ""),
        );
      }
    }
    // The histories do hold what is claimed about removals.
    expect(removedAtTheEnd).toBeGreaterThan(20);
  }, 60_000);

  test("writers of the same product at once lose nothing of each other's", async () => {
    const random = mulberry32(7);
    for (let round = 0; round < 60; round += 1) {
      const events = history(random).map(toEvent);
      const index = await newIndex();
      // Every call to the index takes a while, so that readings and writings interleave.
      const slow: ProductIndex = {
        ...index,
        async retrieve(...args) {
          for (let turns = random() * 3; turns > 0; turns -= 1) await nextTurn();
          return index.retrieve(...args);
        },
        async upsert(...args) {
          for (let turns = random() * 3; turns > 0; turns -= 1) await nextTurn();
          return index.upsert(...args);
        },
      };
      await Promise.all(events.map((event) => fuserOf(slow)([event])));
      expect(await bytesOf(index)).toBe(await fusedInOrder(events));
    }
  });

  test("a product has what has arrived, with the latest attributes, and is complete at the end", async () => {
    const index = await newIndex();
    const fuse = fuserOf(index);
    await fuse([toEvent({ revision: 1, outcomes: { text: "encoded" } })]);
    expect((await stored(index))?.payload.modalities).toEqual(["text"]);
    await fuse([toEvent({ revision: 1, outcomes: { image: "encoded" } })]);
    expect((await stored(index))?.payload.modalities).toEqual(["image", "text"]);
    await fuse([toEvent({ revision: 2, outcomes: { text: "encoded" } })]);
    const { payload, vectors } = (await stored(index))!;
    expect(payload).toMatchObject({ revision: 2, title: " as of 2" });
    expect(payload.encoders).toMatchObject({
      text: { digest: "text 2" },
      image: { digest: "image 1" },
    });
    expect(Array.from(vectors["image"] ?? [])).toEqual([1, 2, 3, 4, 5, 6]);
    expect(vectors[FUSED_VECTOR]).toBeDefined();
  });

  test("a retry heals its own revision, and the failure delivered again does not undo it", async () => {
    const index = await newIndex();
    const fuse = fuserOf(index);
    const failed = toEvent({
      revision: 1,
      outcomes: { text: "encoded", image: "failed", video: "absent" },
      complete: true,
    });
    const healed = toEvent({ revision: 1, outcomes: { image: "encoded" } });
    await fuse([failed]);
    await fuse([healed]);
    expect((await stored(index))?.payload.modalities).toEqual(["image", "text"]);
    await fuse([failed]);
    expect((await stored(index))?.payload.modalities).toEqual(["image", "text"]);
  });

  test("a retry that comes late overwrites nothing newer", async () => {
    const index = await newIndex();
    const fuse = fuserOf(index);
    await fuse([toEvent({ revision: 2, outcomes: { text: "encoded" }, complete: true })]);
    const before = await bytesOf(index);
    await fuse([
      toEvent({ revision: 1, outcomes: { text: "encoded", image: "encoded" }, complete: true }),
    ]);
    expect(await bytesOf(index)).toBe(before);
  });

  test("a removal takes away what came before it, in pieces that arrive after it too", async () => {
    const index = await newIndex();
    const fuse = fuserOf(index);
    await fuse([toEvent({ revision: 1, outcomes: { text: "encoded" } })]);
    await fuse([toEvent({ revision: 2 })]);
    await fuse([toEvent({ revision: 1, outcomes: { image: "encoded" } })]);
    expect((await stored(index))?.payload.removed).toBe(true);
    await fuse([toEvent({ revision: 3, outcomes: { text: "encoded" } })]);
    await fuse([toEvent({ revision: 1, outcomes: { image: "encoded" } })]);
    expect((await stored(index))?.payload).toMatchObject({ removed: false, modalities: ["text"] });
  });

  test("points of before partial events are joined with, not thrown away", async () => {
    const index = await newIndex();
    const text = Float32Array.of(4, 3, 2, 1);
    const old = toEvent({ revision: 5, outcomes: { text: "encoded" }, complete: true });
    await fuserOf(index)([old]);
    const { payload } = (await stored(index))!;
    const { version: _, outcomes: __, ...legacy } = payload;
    const legacyIndex = await newIndex();
    await legacyIndex.upsert(collection, [{ payload: legacy, vectors: { text } }]);
    await fuserOf(legacyIndex)([toEvent({ revision: 5, outcomes: { image: "encoded" } })]);
    const point = (await stored(legacyIndex))!;
    expect(point.payload.modalities).toEqual(["image", "text"]);
    expect(Array.from(point.vectors["text"] ?? [])).toEqual([4, 3, 2, 1]);
  });

  test("a collaborative vector outlives changes of its product, which speak for content alone", async () => {
    const index = await newIndex();
    const fuse = fuserOf(index);
    await fuse([toEvent({ revision: 1, outcomes: { text: "encoded" }, complete: true })]);
    await fuse([toEvent({ revision: 1, outcomes: { behaviour: "encoded" } })]);
    await fuse([toEvent({ revision: 2, outcomes: { text: "encoded" }, complete: true })]);
    expect((await stored(index))?.payload).toMatchObject({
      revision: 2,
      modalities: ["behaviour", "text"],
    });
    await fuse([toEvent({ revision: 3 })]);
    await fuse([toEvent({ revision: 4, outcomes: { text: "encoded" }, complete: true })]);
    expect((await stored(index))?.payload.modalities).toEqual(["text"]);
  });

  test("an imputed collaborative vector gives way to a real one of the same revision, and never comes back", async () => {
    const imputed = toEvent({ revision: 1, outcomes: { behaviour: "imputed" } });
    const real = toEvent({ revision: 1, outcomes: { behaviour: "encoded" }, variant: 1 });
    const index = await newIndex();
    await fuserOf(index)([imputed]);
    expect((await stored(index))?.payload.outcomes?.["behaviour"]?.outcome).toBe("imputed");
    await fuserOf(index)([real]);
    const before = await bytesOf(index);
    expect((await stored(index))?.payload.outcomes?.["behaviour"]?.outcome).toBe("encoded");
    await fuserOf(index)([imputed]);
    expect(await bytesOf(index)).toBe(before);
  });

  test("the collaborative vector of another bundle is passed over, another encoder's text is refused", async () => {
    const index = await newIndex();
    const of = (modality: "behaviour" | "text"): ProductEmbedded => {
      const event = toEvent({ revision: 1, outcomes: { [modality]: "encoded" } });
      if (event.state.case === "embedded") event.state.value.embeddings[0]!.encoder = "another";
      return event;
    };
    expect(await fuserOf(index)([of("behaviour")])).toEqual([]);
    expect((await stored(index))?.payload.modalities).toEqual([]);
    expect(await fuserOf(index)([of("text")])).toHaveLength(1);
  });

  test("a modality that the event does not speak for makes it unusable", async () => {
    const index = await newIndex();
    const event = toEvent({ revision: 1, outcomes: { text: "encoded", image: "encoded" } });
    if (event.state.case === "embedded") event.state.value.modalities = ["text"];
    expect(await fuserOf(index)([event])).toEqual([
      { index: 0, cause: "image is not one that the event speaks for" },
    ]);
  });
});
