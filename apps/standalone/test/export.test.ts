/** A trained bundle into the running system: its collaborative vectors through fusion into the index. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { EventBus } from "@marquetry/backends/event-bus";
import { FUSED_VECTOR, productCollection } from "@marquetry/backends/product-index";
import type { Point } from "@marquetry/backends/product-index";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { matrix } from "@marquetry/model/vectors/matrix";
import { MarquetryError } from "@marquetry/runtime/errors";
import { exportCollaborative } from "@marquetry/learning/system/export-collaborative";
import type { ExportDeps } from "@marquetry/learning/system/export-collaborative";
import type { Platform } from "../src/platform.js";
import { deployments, endJourney, startJourney, untilSettled } from "./harness.js";
import { encodedText, plantedBundle, row, sendEmbedded } from "./planted-bundle.js";
import type { PlantedBundle } from "./planted-bundle.js";

const ITEMS = 90;
const COLD = 8;
const START_MS_MAX = 120_000;
const GONE = "product-3";
const BARE = "product-89";

describe.each(deployments())("an export on %s", (_, servers) => {
  let platform: Platform;
  let planted: PlantedBundle;

  beforeAll(async () => {
    planted = await plantedBundle(ITEMS, COLD);
    platform = await startJourney(servers, {}, planted.bundle);
    // The catalogue has one product less than the bundle, and one whose text is not there.
    const { itemIds, text } = planted;
    await sendEmbedded(
      platform.bus,
      itemIds.flatMap((id, i) =>
        id === GONE ? [] : [encodedText(id, id === BARE ? undefined : row(text, i))],
      ),
    );
    await untilSettled(platform);
  }, START_MS_MAX);

  afterAll(async () => {
    if (platform !== undefined) await endJourney(platform);
  });

  const deps = (more: Partial<ExportDeps> = {}): ExportDeps => {
    const { products, vectors } = planted;
    const { bundle, bus, index } = platform;
    return { bundle, products, vectors, bus, index, report: () => {}, pagePoints: 16, ...more };
  };

  async function stored(): Promise<Map<string, Point>> {
    const { itemIds } = planted;
    const collection = productCollection(platform.bundle.id);
    return platform.index.retrieve(collection, itemIds, ["text", COLLABORATIVE, FUSED_VECTOR]);
  }

  async function snapshot(): Promise<unknown> {
    await untilSettled(platform);
    return [...(await stored())]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { payload, vectors }]) => ({
        payload,
        vectors: Object.fromEntries(
          Object.entries(vectors).map(([name, vector]) => [name, Array.from(vector)]),
        ),
      }));
  }

  test("that ends in the middle is finished by the next one", async () => {
    let published = 0;
    const bus: EventBus = {
      ...platform.bus,
      async publish(...args) {
        published += 1;
        if (published > 2) throw new MarquetryError("unavailable", "the bus does not answer");
        await platform.bus.publish(...args);
      },
    };
    await expect(exportCollaborative(deps({ bus }))).rejects.toThrow("the bus does not answer");
    await untilSettled(platform);
    const half = [...(await stored()).values()].filter(({ vectors }) => vectors[COLLABORATIVE]);
    expect(half.length).toBeGreaterThan(0);
    expect(half.length).toBeLessThan(ITEMS - COLD - 1);
    const counts = await exportCollaborative(deps());
    expect(counts).toEqual({ trained: ITEMS - COLD - 1, imputed: COLD - 1, bare: 1, unknown: 1 });
  });

  test("leaves the index with the trained vectors to 1e-5, and attributes as they were", async () => {
    await untilSettled(platform);
    const points = await stored();
    const apart = planted.products
      .filter((id) => id !== GONE)
      .flatMap((id) => {
        const fused = points.get(id)!.vectors[FUSED_VECTOR]!;
        const trained = row(planted.trained, planted.itemIds.indexOf(id));
        return Array.from(fused, (x, j) => Math.abs(x - trained[j]!));
      });
    expect(Math.max(...apart)).toBeLessThan(1e-5);
    expect(points.has(GONE)).toBe(false);
    expect(points.get("product-0")!.payload).toMatchObject({
      revision: 1,
      title: "the product-0",
      categories: ["Kinds", "Kinds/Kind"],
      price: 3,
      groupId: "product-0",
      modalities: [COLLABORATIVE, "text"],
    });
  });

  test("gives cold products a guess, and those that are like nothing none", async () => {
    const points = await stored();
    const cold = points.get("product-84")!;
    expect(cold.payload.outcomes?.[COLLABORATIVE]?.outcome).toBe("imputed");
    const likeness = (id: string): number => {
      const other = points.get(id)!.vectors[FUSED_VECTOR]!;
      return cold.vectors[FUSED_VECTOR]!.reduce((sum, x, j) => sum + x * other[j]!, 0);
    };
    // 84, 0, 6 and 12 are of one kind; 1, 2 and 5 are of others.
    const own = Math.min(...["product-0", "product-6", "product-12"].map(likeness));
    expect(own).toBeGreaterThan(Math.max(...["product-1", "product-2", "product-5"].map(likeness)));
    expect(points.get(BARE)!.payload.modalities).toEqual([]);
  });

  test("that is run again changes nothing, bit for bit", async () => {
    const before = await snapshot();
    await exportCollaborative(deps());
    expect(await snapshot()).toEqual(before);
  });

  test("with a real vector replaces the guess though the product did not change, for good", async () => {
    const { products, vectors } = planted;
    const more = matrix(vectors.rows + 1, vectors.cols);
    more.data.set(vectors.data);
    more.data.set(row(vectors, 0), vectors.data.length);
    await exportCollaborative(deps({ products: [...products, "product-84"], vectors: more }));
    await untilSettled(platform);
    const outcome = async () =>
      (await stored()).get("product-84")!.payload.outcomes?.[COLLABORATIVE]?.outcome;
    expect(await outcome()).toBe("encoded");
    await exportCollaborative(deps());
    await untilSettled(platform);
    expect(await outcome()).toBe("encoded");
  });

  test("reaches a product that changes meanwhile, and the new text stays", async () => {
    const fresh = row(planted.text, 1);
    await sendEmbedded(platform.bus, [encodedText("product-0", fresh, { revision: 2 })]);
    await untilSettled(platform);
    const point = (await stored()).get("product-0")!;
    expect(point.payload).toMatchObject({ revision: 2, modalities: [COLLABORATIVE, "text"] });
    expect(Array.from(point.vectors["text"]!)).toEqual(Array.from(fresh));
  });

  test("of a bundle that fusion has not started with is refused", async () => {
    const bundle = { ...platform.bundle, id: `${platform.bundle.id}-never-started` };
    await expect(exportCollaborative(deps({ bundle }))).rejects.toThrow(
      "expected fusion to have started",
    );
  });
});
