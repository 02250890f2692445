import { describe, expect, test } from "@jest/globals";
import { BUNDLE_ID } from "./bundle.js";
import { decodeBundle, encodeBundle } from "./codec.js";
import type { Bundle } from "./bundle.js";
import { fuse } from "../fusion/fusion.js";
import { pool } from "../interests/interests.js";
import { matVec } from "../vectors/matrix.js";
import { mulberry32, randomVector } from "../vectors/random.js";
import { similarity } from "../similarity/similarity.js";
import { cosine, dot, norm } from "../vectors/vector.js";
import { zeroShotBundle } from "./zero-shot.js";

const encoders = {
  text: { encoder: "minilm", dims: 24 },
  image: { encoder: "lite", dims: 60 },
};
const small = { dims: 24 };
const uniform = mulberry32(5);
const product = () => ({ text: randomVector(uniform, 24), image: randomVector(uniform, 60) });

/** The image as it stands behind the projection. */
function projected(bundle: Bundle, image: Float32Array): Float32Array {
  const modality = bundle.fusion.modalities.find(({ name }) => name === "image")!;
  return matVec(modality.projection!, image);
}

describe("the zero-shot bundle", () => {
  test("makes the dot product the weighted sum of per-modality cosines", async () => {
    const bundle = await zeroShotBundle(encoders, small);
    for (let round = 0; round < 10; round += 1) {
      const [a, b] = [product(), product()];
      const image = cosine(projected(bundle, a.image), projected(bundle, b.image));
      const expected = 0.6 * cosine(a.text, b.text) + 0.4 * image;
      const [u, v] = [fuse(bundle.fusion, a)!, fuse(bundle.fusion, b)!];
      expect(norm(u)).toBeCloseTo(1, 6);
      expect(dot(u, v)).toBeCloseTo(expected, 6);
      expect(similarity(bundle.similarity, bundle.fusion, u, v)).toBeCloseTo(expected, 6);
    }
  });

  test("compares by what both products have", async () => {
    const { fusion, similarity: model } = await zeroShotBundle(encoders, small);
    const [a, b] = [product(), product()];
    const value = similarity(model, fusion, fuse(fusion, a)!, fuse(fusion, { text: b.text })!);
    expect(value).toBeCloseTo(cosine(a.text, b.text), 6);
  });

  test("keeps exact cosines where the projection goes to more dimensions", async () => {
    const { fusion } = await zeroShotBundle({ image: { encoder: "lite", dims: 60 } }, { dims: 80 });
    const [a, b] = [randomVector(uniform, 60), randomVector(uniform, 60)];
    const value = dot(fuse(fusion, { image: a })!, fuse(fusion, { image: b })!);
    expect(value).toBeCloseTo(cosine(a, b), 6);
  });

  test("takes other weights, in any unit", async () => {
    const { fusion } = await zeroShotBundle(encoders, { ...small, weights: { text: 2, image: 6 } });
    const weights = fusion.modalities.map((modality) => "weight" in modality && modality.weight);
    expect(weights).toEqual([Math.sqrt(0.75), 0.5]);
  });

  test("has an id that depends on encoders and options, not on their order", async () => {
    const { id } = await zeroShotBundle(encoders, small);
    expect(id).toMatch(/^zero-shot-[0-9a-f]{8}$/);
    expect(id).toMatch(BUNDLE_ID);
    const reordered = { video: undefined, image: encoders.image, text: encoders.text };
    const weights = { text: 0.6, image: 0.4 };
    expect((await zeroShotBundle(reordered, { ...small, weights })).id).toBe(id);
    const others = [
      await zeroShotBundle(encoders, { dims: 25 }),
      await zeroShotBundle(encoders, { ...small, weights: { text: 0.5 } }),
      await zeroShotBundle({ text: encoders.text }, small),
      await zeroShotBundle({ ...encoders, text: { encoder: "e5", dims: 24 } }, small),
    ];
    expect(new Set([id, ...others.map((other) => other.id)]).size).toBe(5);
  });

  test("survives being written and read at full size, and its id is pinned", async () => {
    const bundle = await zeroShotBundle({
      text: { encoder: "minilm", dims: 384 },
      image: { encoder: "lite", dims: 1280 },
    });
    expect(bundle.id).toBe(PINNED_ID);
    const { manifest, weights } = await encodeBundle(bundle);
    const back = await decodeBundle(manifest, weights);
    const vectors = { text: randomVector(uniform, 384), image: randomVector(uniform, 1280) };
    const fused = fuse(back.fusion, vectors)!;
    expect(fused).toHaveLength(768);
    expect(Array.from(fused)).toEqual(Array.from(fuse(bundle.fusion, vectors)!));
  });

  test("a purchase that is returned at once leaves no interest, a newer view outweighs an older", async () => {
    const { interests } = await zeroShotBundle(encoders, small);
    const [bought, seen] = [new Float32Array([1, 0]), new Float32Array([0, 1])];
    const at = (action: string, vector: Float32Array, days: number) => ({
      action,
      vector,
      occurredAtMs: days * 86_400_000,
    });
    const interest = pool(interests, [
      at("purchase", bought, 0),
      at("return", bought, 0),
      at("view", seen, 3),
    ])!;
    expect(interest[0]).toBeCloseTo(0, 6);
    expect(interest[1]).toBeCloseTo(1, 6);
    // Seven days and one rank: .5 * .85
    const views = pool(interests, [at("view", bought, 0), at("view", seen, 7)])!;
    expect(views[0]! / views[1]!).toBeCloseTo(0.425, 6);
  });

  test("no encoder, and a modality without a weight, are refused", async () => {
    await expect(zeroShotBundle({})).rejects.toThrow("fusion.modalities: none given");
    const sound = { encoder: "ears", dims: 24 };
    await expect(zeroShotBundle({ sound }, small)).rejects.toThrow("weights.sound");
    const bundle = await zeroShotBundle({ sound }, { ...small, weights: { sound: 1 } });
    expect(bundle.fusion.modalities).toHaveLength(1);
  });
});

/** A change of this id means that every vector of every zero-shot installation is made anew. */
const PINNED_ID = "zero-shot-a3687a78";
