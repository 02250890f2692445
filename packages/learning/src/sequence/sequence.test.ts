import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import type { TrainedEpoch } from "../training/epochs.js";
import type { Parameters } from "../training/parameters.js";
import { sequenceBatches } from "./batches.js";
import { startSequence } from "./parameters.js";
import { sequenceLoss } from "./sequence-loss.js";
import { sequenceStep, VECTORS } from "./step.js";
import { trainSequence } from "./train-sequence.js";
import { forwardSequence } from "./transformer.js";

const ITEMS = 7;
const shape = { dims: 6, heads: 2, hidden: 5, historyMax: 3, decay: 0.6 };
const uniform = mulberry32(11);
const sequences = [Int32Array.of(0, 1, 2, 3, 1, 5), Int32Array.of(6, 4), Int32Array.of(2, 2, 6, 0)];
const vectors = normaliseRows(matrix(ITEMS, shape.dims, randomVector(uniform, ITEMS * shape.dims)));
const noDropout = { chance: 0, uniform };

function randomParameters(): Parameters {
  const start = { ...startSequence(shape, 3), [VECTORS]: vectors.data };
  return Object.fromEntries(
    Object.entries(start).map(([name, values]) => [
      name,
      values.map((x) => x + 0.3 * (2 * uniform() - 1)),
    ]),
  );
}

describe.each(["negatives", "masked"] as const)("gradients, own history %s", (ownHistory) => {
  const parameters = randomParameters();
  const settings = {
    temperature: 0.4,
    targetShares: Float64Array.of(0.05, 0.3, 0.1, 0.15, 0.2, 0.05, 0.15),
    ownHistory,
  };
  const [batch] = sequenceBatches(sequences, Infinity, 1);
  // The same mask at every call.
  const step = () =>
    sequenceStep(shape, parameters, batch!, settings, { chance: 0.2, uniform: mulberry32(9) });
  const { gradients } = step();

  test.each(Object.keys(parameters))(
    "every element of %s agrees with finite differences",
    (name) => {
      const values = parameters[name]!;
      const worst = values.reduce((most, value, i) => {
        const by = 1e-3;
        values[i] = value + by;
        const [above, up] = [step().loss, values[i]];
        values[i] = value - by;
        const [below, down] = [step().loss, values[i]];
        values[i] = value;
        const expected = (above - below) / (up - down);
        return Math.max(most, Math.abs(expected - gradients[name]![i]!));
      }, 0);
      expect(worst).toBeLessThan(1e-3);
      expect(gradients[name]!.some((x) => Math.abs(x) > 5e-3)).toBe(true);
    },
  );
});

describe("the block", () => {
  const interestsOf = (parameters: Parameters, history: Int32Array) => {
    const x = matrix(history.length, shape.dims);
    for (const [t, item] of history.entries()) rowOf(x, t).set(rowOf(vectors, item));
    const starts = Int32Array.of(0, history.length);
    return forwardSequence(shape, parameters, x, starts, noDropout).interests;
  };

  test("no place sees what came later, nor what is L back", () => {
    const parameters = randomParameters();
    const full = interestsOf(parameters, Int32Array.of(4, 1, 2, 0, 6));
    const prefix = interestsOf(parameters, Int32Array.of(4, 1, 2));
    expect(Array.from(full.data.subarray(0, 18))).toEqual(Array.from(prefix.data));
    const newest = interestsOf(parameters, Int32Array.of(2, 0, 6));
    rowOf(full, 4).forEach((x, j) => expect(x).toBeCloseTo(rowOf(newest, 2)[j]!, 6));
  });

  test("the order of the interactions counts", () => {
    const parameters = randomParameters();
    const [one, two] = [Int32Array.of(1, 2, 3), Int32Array.of(2, 1, 3)];
    const last = (history: Int32Array) => Array.from(rowOf(interestsOf(parameters, history), 2));
    expect(last(one)).not.toEqual(last(two));
  });
});

describe("loss", () => {
  const settings = { temperature: 1, targetShares: Float64Array.of(0.5, 0.25, 0.25) };
  const table = matrix(3, 1, Float32Array.of(1, 1, 1));
  const rows = { targets: Int32Array.of(1), before: [Int32Array.of(0, 0)] };

  test("own products are negatives without a correction for sampling, or masked, by hand", () => {
    const lossOf = (ownHistory: "negatives" | "masked"): number =>
      sequenceLoss(matrix(1, 1, Float32Array.of(1)), table, rows, { ...settings, ownHistory }).loss;
    // One row: q of the target is its share .25, so its logit is 1 + ln 4; the own product's is 1.
    expect(lossOf("negatives")).toBeCloseTo(Math.log((4 + 1) / 4), 6);
    expect(lossOf("masked")).toBeCloseTo(0, 6);
  });
});

describe("batches", () => {
  test("every product after a first one is a target once per epoch, with all before it", () => {
    const seen = [...sequenceBatches(sequences, 4, 5)].flatMap((batch) =>
      batch.before.map((before, i) => `${before.join(" ")} -> ${batch.targets[i]}`),
    );
    expect(seen.toSorted()).toEqual(
      [
        "0 -> 1",
        "0 1 -> 2",
        "0 1 2 -> 3",
        "0 1 2 3 -> 1",
        "0 1 2 3 1 -> 5",
        "6 -> 4",
        "2 -> 2",
        "2 2 -> 6",
        "2 2 6 -> 0",
      ].toSorted(),
    );
  });
});

describe("training", () => {
  // What follows depends on the order of the last two products, which no pooling can tell.
  const train = Array.from({ length: 40 }, (_, user) =>
    user % 2 === 0 ? Int32Array.of(0, 1, 2) : Int32Array.of(1, 0, 3),
  );
  const settings = {
    epochs: 20,
    batchRows: 16,
    temperature: 0.2,
    ownHistory: "negatives",
    rate: 0.01,
    vectorRate: 0,
    dropout: 0.1,
    seed: 2,
  } as const;

  test("an order of interactions that means something is learned", () => {
    const epochs = [...trainSequence(shape, vectors, train, settings)];
    const { parameters } = epochs.at(-1)!.state;
    const x = matrix(2, shape.dims);
    rowOf(x, 0).set(rowOf(vectors, 0));
    rowOf(x, 1).set(rowOf(vectors, 1));
    const { interests } = forwardSequence(shape, parameters, x, Int32Array.of(0, 2), noDropout);
    const score = (item: number): number =>
      rowOf(vectors, item).reduce((sum, v, j) => sum + v * rowOf(interests, 1)[j]!, 0);
    expect(score(2)).toBeGreaterThan(score(3) + 0.2);
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss / 2);
  });

  const bitsOf = ({ state }: TrainedEpoch): string => {
    const parts = Object.values(state.parameters).map((data) => Buffer.from(data.buffer));
    return Buffer.concat(parts).toString("hex");
  };

  test("the same seed gives the same bits, another seed others", () => {
    const bits = (seed: number): string => {
      const [first] = trainSequence(shape, vectors, train, { ...settings, epochs: 1, seed });
      return bitsOf(first!);
    };
    expect(bits(1)).toBe(bits(1));
    expect(bits(1)).not.toBe(bits(2));
  });

  test("a run that resumes after any epoch ends as one that was not interrupted, to the bit", () => {
    const short = { ...settings, epochs: 3, vectorRate: 0.01 };
    const whole = Array.from(trainSequence(shape, vectors, train, short), bitsOf);
    for (const done of [1, 2]) {
      const interrupted = trainSequence(shape, vectors, train, { ...short, epochs: done });
      const { state } = [...interrupted].at(-1)!;
      const rest = trainSequence(shape, vectors, train, short, structuredClone(state));
      expect(Array.from(rest, bitsOf)).toEqual(whole.slice(done));
    }
  });
});
