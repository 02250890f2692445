import { describe, expect, test } from "@jest/globals";
import { decodeBundle, encodeBundle } from "../bundle/codec.js";
import type { Bundle } from "../bundle/bundle.js";
import { sha256Hex } from "../bundle/digest.js";
import { neighboursById } from "./neighbours.js";
import type { ProductNeighbours } from "./neighbours.js";
import { decodeMixedSafetensors, encodeSafetensors } from "../bundle/safetensors.js";
import type { TensorData } from "../bundle/safetensors.js";
import { zeroShotBundle } from "../bundle/zero-shot.js";

/** Every character that an id may have, and some that none has. */
const IDS = ["a", "", 'quote " and \\', "line\nbreak\t\0", "größe 鞋 👟", "\uFEFFb", "\uD800"];
const NEIGHBOURS: ProductNeighbours = {
  ids: IDS,
  starts: Int32Array.of(0, 2, 2, 3, 3, 5, 5, 5),
  products: Int32Array.of(2, 4, 0, 0, 6),
  weights: Float32Array.of(0.5, 0.25, 0.5, 0.25, 0),
};
const plain = await zeroShotBundle({ text: { encoder: "words", dims: 2 } }, { dims: 2 });
const RERANKER = { candidates: 200, historyMax: 30, features: { neighbours: 0.5 } };
const bundle: Bundle = { ...plain, reranker: RERANKER, neighbours: NEIGHBOURS };

/** The bundle as another writer might have made it, with the digest that then is right. */
async function decodeChanged(
  change: (tensors: Record<string, TensorData>, manifest: any) => void,
): Promise<Bundle> {
  const { manifest, weights } = await encodeBundle(bundle);
  const tensors = Object.fromEntries(
    Array.from(decodeMixedSafetensors(weights), ([name, { data }]) => [name, data]),
  );
  const parsed = JSON.parse(manifest);
  change(tensors, parsed);
  const file = encodeSafetensors(
    new Map(Object.entries(tensors).map(([name, data]) => [name, { shape: [data.length], data }])),
  );
  parsed.weights = { bytes: file.length, sha256: await sha256Hex(file) };
  return decodeBundle(JSON.stringify(parsed), file);
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

describe("a bundle with neighbours", () => {
  test("gives them back as they were written, whatever characters are in an id", async () => {
    const { manifest, weights } = await encodeBundle(bundle);
    const back = await decodeBundle(manifest, weights);
    expect(back.neighbours).toEqual(NEIGHBOURS);
    expect(back.reranker).toEqual(RERANKER);
    const neighboursOf = neighboursById(back.neighbours!);
    expect(neighboursOf("a")).toEqual([
      ['quote " and \\', 0.5],
      ["größe 鞋 👟", 0.25],
    ]);
    expect(neighboursOf("")).toEqual([]);
    expect(neighboursOf("nobody's")).toBeUndefined();
  });

  test("is read without them where there are none, as before", async () => {
    const { manifest, weights } = await encodeBundle(plain);
    expect(manifest).not.toContain("neighbours");
    expect(await decodeBundle(manifest, weights)).not.toHaveProperty("neighbours");
  });

  test("is refused where the re-ranker goes by neighbours that are not there", async () => {
    const without: Bundle = { ...plain, reranker: RERANKER };
    await expect(encodeBundle(without)).rejects.toThrow(
      "reranker.features.neighbours: expected a bundle that carries neighbours, got one without",
    );
    const unweighed = { ...RERANKER, features: { neighbours: 0 } };
    await expect(encodeBundle({ ...plain, reranker: unweighed })).resolves.toBeDefined();
  });

  test.each<[string, (tensors: Record<string, TensorData>, manifest: any) => void]>([
    ["neighbours: expected an object", (_, m) => (m.neighbours = 1)],
    ["neighbours.depth: unknown field", (_, m) => (m.neighbours.depth = 1)],
    ["neighbours.ids: expected a string", (_, m) => delete m.neighbours.ids],
    ["neighbours.starts: no tensor x in", (_, m) => (m.neighbours.starts = "x")],
    [
      "neighbours.ids: expected a tensor of U8, got F32",
      (t) => (t["neighbours.ids"] = Float32Array.of(1)),
    ],
    [
      "neighbours.starts: expected a tensor of I32, got U8",
      (t) => (t["neighbours.starts"] = Uint8Array.of(0)),
    ],
    [
      "neighbours.weights: expected a tensor of F32, got I32",
      (t) => (t["neighbours.weights"] = Int32Array.of(1)),
    ],
    [
      "neighbours.ids: expected a JSON list of strings in UTF-8",
      (t) => (t["neighbours.ids"] = Uint8Array.of(0x5b, 0x22, 0xff, 0x22, 0x5d)),
    ],
    [
      "neighbours.ids: expected a JSON list of strings in UTF-8",
      (t) => (t["neighbours.ids"] = json(["a", 1])),
    ],
    [
      'neighbours.ids: expected each product once, got "a"',
      (t) => (t["neighbours.ids"] = json([...IDS.slice(1), "a", "a"])),
    ],
    [
      "neighbours.starts: expected 7 elements, got 8",
      (t) => (t["neighbours.ids"] = json(IDS.slice(1))),
    ],
    ["neighbours.starts: expected 0 to 5, got 1 to 5", (t) => (t["neighbours.starts"]![0] = 1)],
    ["neighbours.starts: expected 0 to 5, got 0 to 4", (t) => (t["neighbours.starts"]![7] = 4)],
    [
      "neighbours.starts: element 3 is 1, expected at least 3",
      (t) => t["neighbours.starts"]!.set([3, 1], 2),
    ],
    [
      "neighbours.starts: element 2 is -1, expected at least 2",
      (t) => (t["neighbours.starts"]![2] = -1),
    ],
    [
      "neighbours.weights: expected 5 elements, got 4",
      (t) => (t["neighbours.weights"] = NEIGHBOURS.weights.slice(1)),
    ],
    [
      "neighbours.products: element 2 is -1, expected 0 to 6",
      (t) => (t["neighbours.products"]![2] = -1),
    ],
    [
      "neighbours.products: element 4 is 7, expected 1 to 6",
      (t) => (t["neighbours.products"]![4] = 7),
    ],
    [
      "neighbours.products: element 1 is 2, expected 3 to 6",
      (t) => (t["neighbours.products"]![1] = 2),
    ],
    ["neighbours.weights: element 1 is NaN", (t) => (t["neighbours.weights"]![1] = Number.NaN)],
    ["neighbours.weights: element 1 is Infinity", (t) => (t["neighbours.weights"]![1] = Infinity)],
    [
      "neighbours.weights: element 1 is -1, expected a finite number of at least 0",
      (t) => (t["neighbours.weights"]![1] = -1),
    ],
  ])("is refused by the field's name: %s", async (message, change) => {
    await expect(decodeChanged(change)).rejects.toThrow(message);
  });
});
