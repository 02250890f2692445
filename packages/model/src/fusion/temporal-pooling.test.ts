import { describe, expect, test } from "@jest/globals";
import { frameWeights, poolFrames } from "./temporal-pooling.js";
import type { TemporalPooling } from "./temporal-pooling.js";
import { cosine, norm } from "../vectors/vector.js";

const vector = (...values: number[]): Float32Array => Float32Array.from(values);
const MEAN: TemporalPooling = { kind: "mean" };
const ATTENTION: TemporalPooling = { kind: "attention", temperature: 0.1 };

describe("pooling over time", () => {
  test("the mean is that of the frames' directions, whatever their lengths", () => {
    const pooled = poolFrames(MEAN, [vector(5, 0), vector(0, 0.1)]);
    expect(Array.from(pooled)).toEqual([0.5, 0.5]);
  });

  test("a still clip has the direction of its picture under every pooling", () => {
    const picture = vector(3, -4, 12);
    for (const pooling of [MEAN, ATTENTION, { ...ATTENTION, query: [1, 0, 0] }]) {
      const pooled = poolFrames(pooling, [picture, picture, picture]);
      expect(cosine(pooled, picture)).toBeCloseTo(1, 6);
      expect(norm(pooled)).toBeCloseTo(1, 6);
    }
  });

  test("the order of the frames does not matter", () => {
    const frames = [vector(1, 2, 3), vector(-1, 0, 4), vector(2, 2, 2)];
    for (const pooling of [MEAN, ATTENTION]) {
      const pooled = Array.from(poolFrames(pooling, frames));
      for (const [i, value] of Array.from(poolFrames(pooling, frames.toReversed())).entries()) {
        expect(value).toBeCloseTo(pooled[i]!, 6);
      }
    }
  });

  test("attention without a query gives a frame unlike the others less than its share", () => {
    const frames = [vector(1, 0), vector(1, 0.1), vector(0, 1)];
    const weights = frameWeights(ATTENTION, frames);
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(weights[2]).toBeLessThan(0.05);
    expect(frameWeights(MEAN, frames)).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });

  test("the weights are those of the formula", () => {
    const pooling: TemporalPooling = { kind: "attention", temperature: 0.5, query: [0, 2] };
    const [along, across] = frameWeights(pooling, [vector(0, 3), vector(7, 0)]);
    // q'u is 1 and 0, over a temperature of .5: e^2 : 1.
    expect(along).toBeCloseTo(Math.exp(2) / (Math.exp(2) + 1), 6);
    expect(across).toBeCloseTo(1 / (Math.exp(2) + 1), 6);
    const pooled = poolFrames(pooling, [vector(0, 3), vector(7, 0)]);
    expect(pooled[1]).toBeCloseTo(along!, 6);
    expect(pooled[0]).toBeCloseTo(across!, 6);
  });

  test("temperature leads from the mean to the nearest frame", () => {
    const frames = [vector(1, 0.2), vector(0.2, 1), vector(1, 0.5)];
    const even = frameWeights({ kind: "attention", temperature: 1e6 }, frames);
    for (const weight of even) expect(weight).toBeCloseTo(1 / 3, 4);
    const one = frameWeights({ kind: "attention", temperature: 1e-3, query: [0, 1] }, frames);
    expect(one[1]).toBeCloseTo(1, 6);
  });

  test("a frame without a direction is left out, and a clip of such has none", () => {
    const frames = [vector(0, 0), vector(0, 2), vector(0, 0)];
    for (const pooling of [MEAN, ATTENTION]) {
      expect(frameWeights(pooling, frames)).toEqual([0, 1, 0]);
      expect(Array.from(poolFrames(pooling, frames))).toEqual([0, 1]);
      expect(Array.from(poolFrames(pooling, [vector(0, 0)]))).toEqual([0, 0]);
      expect(frameWeights(pooling, [vector(0, 0)])).toEqual([0]);
    }
  });

  test("what cannot be pooled is refused by name", () => {
    expect(() => poolFrames(MEAN, [])).toThrow("temporal pooling: no frames");
    expect(() => poolFrames(MEAN, [vector(1), vector(1, 2)])).toThrow(/frame 1: expected 1/);
    expect(() => poolFrames(MEAN, [vector(1), vector(Number.NaN)])).toThrow(/frame 1: element 0/);
    for (const temperature of [0, -1, Number.NaN]) {
      expect(() => poolFrames({ kind: "attention", temperature }, [vector(1)])).toThrow(
        /temperature: expected a number above 0/,
      );
    }
    expect(() => poolFrames({ ...ATTENTION, query: [1] }, [vector(1, 2)])).toThrow(/query: exp/);
  });
});
