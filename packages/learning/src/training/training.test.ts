import { describe, expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/vectors/matrix";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { csrOf } from "../linear-algebra/csr.js";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { createAdam } from "./adam.js";
import { alignmentLoss } from "./alignment-loss.js";
import type { AlignmentSettings } from "./alignment-loss.js";
import { epochBatches } from "./examples.js";
import type { Batch } from "./examples.js";
import { inBatchLoss } from "./in-batch-loss.js";
import { forwardItems, fullPresence } from "./item-tower.js";
import { COLLABORATIVE } from "@marquetry/contracts/modalities";
import { nameOf, startParameters, zerosLike } from "./parameters.js";
import type { Parameters, TowerShape } from "./parameters.js";
import type { ScorerKind } from "./scorer.js";
import { dropModalities, lossAndGradients } from "./step.js";
import { trainEpochs } from "./train.js";

const ITEMS = 7;
const DIMS = 5;
const uniform = mulberry32(21);
const unitRows = (cols: number): Matrix =>
  normaliseRows(matrix(ITEMS, cols, randomVector(uniform, ITEMS * cols)));

function randomTower(
  scorer: ScorerKind = "linear",
  further: Pick<TowerShape, "towers" | "interests"> = {},
): {
  shape: TowerShape;
  parameters: Parameters;
} {
  const image = unitRows(4);
  rowOf(image, 2).fill(0);
  const known = Uint8Array.of(1, 1, 1, 1, 1, 0, 1);
  const shape = {
    items: ITEMS,
    dims: DIMS,
    content: { text: unitRows(3), image },
    known,
    scorer,
    ...further,
  };
  const parameters = Object.fromEntries(
    Object.entries(startParameters(shape, { seed: 4, tableScale: 1, recency: -0.3 })).map(
      ([name, values]) => [name, values.map((x) => x + 0.3 * (2 * uniform() - 1))],
    ),
  );
  return { shape, parameters };
}

const batch = {
  histories: [
    Int32Array.of(0, 1, 2),
    Int32Array.of(3),
    Int32Array.of(4, 4, 5, 0),
    Int32Array.of(2, 6),
  ],
  actions: [
    Int32Array.of(0, 1, 2),
    Int32Array.of(1),
    Int32Array.of(2, 0, 1, 1),
    Int32Array.of(0, 2),
  ],
  // Row 2 wants a product of its own history; row 3's history holds row 0's target.
  targets: Int32Array.of(6, 1, 4, 3),
};
const drawn = { products: Int32Array.of(2, 3, 0), chance: 0.5 };
const settings = {
  temperature: 0.4,
  targetShares: Float64Array.of(0.05, 0.3, 0.1, 0.15, 0.2, 0.05, 0.15),
};

/** Products 0 and 1, 1 and 4, 5 and 6 are neighbours. */
const neighbours = csrOf(
  ITEMS,
  [[1], [0, 4], [], [], [1], [6], [5]].map((columns, i) =>
    columns.map((column) => ({ column, value: 0.2 + 0.1 * Math.abs(i - column) })),
  ),
);

interface GradientOptions {
  readonly graph?: TowerShape["graph"];
  readonly alignment?: AlignmentSettings;
  readonly towers?: boolean;
  readonly interests?: TowerShape["interests"];
  readonly batch?: Batch;
}

const interests = { keyDims: 3, biases: Float32Array.of(0.2, -0.4, 0.5) };

describe.each([
  ["linear", "alone"],
  ["bilinear", "alone"],
  ["tanh", "alone"],
  ["linear", "with a graph", { graph: { neighbours, share: 0.5, layers: 2 } }],
  ["linear", "with alignment", { alignment: { weight: 0.8, temperature: 0.5 } }],
  ["linear", "with towers", { towers: true }],
  ["linear", "with weighed interests", { interests }],
  ["linear", "with drawn candidates", { batch: { ...batch, drawn } }],
] as const)("gradients, %s scorer, %s", (scorer, _, options: GradientOptions = {}) => {
  const { graph, alignment, towers, interests, batch: rows = batch } = options;
  const tower = randomTower(scorer, { ...(towers && { towers }), ...(interests && { interests }) });
  const { parameters } = tower;
  const shape = { ...tower.shape, ...(graph && { graph }) };
  const presence = fullPresence(shape);
  presence[COLLABORATIVE]![1] = 0;
  const both = { ...settings, ...(alignment && { alignment }) };
  const lossAt = (): number => lossAndGradients(shape, parameters, presence, rows, both).loss;
  const { gradients } = lossAndGradients(shape, parameters, presence, rows, both);

  test.each(Object.keys(parameters))(
    "every element of %s agrees with finite differences",
    (name) => {
      const values = parameters[name]!;
      const expected = Array.from(values, (value, i) => {
        const step = 2e-3;
        values[i] = value + step;
        const [above, up] = [lossAt(), values[i]];
        values[i] = value - step;
        const [below, down] = [lossAt(), values[i]];
        values[i] = value;
        return (above - below) / (up - down);
      });
      const worst = expected.reduce(
        (most, x, i) => Math.max(most, Math.abs(x - gradients[name]![i]!)),
        0,
      );
      expect(worst).toBeLessThan(5e-4);
      expect(gradients[name]!.some((x) => Math.abs(x) > 5e-3)).toBe(true);
    },
  );
});

describe("item tower", () => {
  test("an absent modality is masked, not zero-filled: the weights of the rest sum to 1", () => {
    const { shape, parameters } = randomTower();
    const { parts, vectors } = forwardItems(shape, parameters, fullPresence(shape));
    const weights = parts.map((part) => part.weights[2]!);
    expect(parts.map(({ name }) => name)).toEqual(["text", "image", COLLABORATIVE]);
    expect(weights[1]).toBe(0);
    expect(weights[0]! + weights[2]!).toBeCloseTo(1, 12);
    const length = rowOf(vectors, 2).reduce((sum, x) => sum + x * x, 0);
    expect(length).toBeCloseTo(1, 5);
  });
});

describe("neighbours", () => {
  test("a product takes a share of theirs: v = norm(s + share * G s)", () => {
    const { shape, parameters } = randomTower();
    const alone = forwardItems(shape, parameters, fullPresence(shape));
    const graph = { neighbours, share: 0.7, layers: 1 };
    const { vectors } = forwardItems({ ...shape, graph }, parameters, fullPresence(shape));
    const lengths = alone.fused.lengths;
    const expected = rowOf(alone.vectors, 5).map(
      (x, j) => lengths[5]! * x + 0.7 * 0.3 * lengths[6]! * rowOf(alone.vectors, 6)[j]!,
    );
    const length = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0));
    for (const [j, x] of expected.entries()) {
      expect(rowOf(vectors, 5)[j]).toBeCloseTo(x / length, 6);
    }
    expect(Array.from(rowOf(vectors, 3))).toEqual(Array.from(rowOf(alone.vectors, 3)));
  });

  test("a second layer reaches the neighbours' neighbours: .. + share^2 * G G s", () => {
    const { shape, parameters } = randomTower();
    const alone = forwardItems(shape, parameters, fullPresence(shape));
    const graph = { neighbours, share: 0.7, layers: 2 };
    const { vectors } = forwardItems({ ...shape, graph }, parameters, fullPresence(shape));
    const s = (item: number, j: number): number =>
      alone.fused.lengths[item]! * rowOf(alone.vectors, item)[j]!;
    // Product 0 - 1 - 4, with 0.3 and 0.5 between them.
    const expected = Array.from(
      { length: DIMS },
      (_, j) => s(0, j) + 0.7 * 0.3 * s(1, j) + 0.49 * 0.3 * (0.3 * s(0, j) + 0.5 * s(4, j)),
    );
    const length = Math.hypot(...expected);
    for (const [j, x] of expected.entries())
      expect(rowOf(vectors, 0)[j]).toBeCloseTo(x / length, 6);
  });
});

describe("in-batch loss", () => {
  test("by hand: two rows, two candidates, logits u'v / tau - ln q", () => {
    const vectors = matrix(3, 2, Float32Array.of(1, 0, 0, 1, 0.6, 0.8));
    const { loss } = inBatchLoss(
      vectors,
      { recency: 0 },
      { histories: [Int32Array.of(0), Int32Array.of(0)], targets: Int32Array.of(1, 2) },
      { temperature: 0.5, targetShares: Float64Array.of(0, 0.5, 0.5) },
    );
    // q = 1 - 1/4 for both and cancels; logits 0 and 1.2.
    const total = Math.log(1 + Math.exp(1.2));
    expect(loss).toBeCloseTo((total + (total - 1.2)) / 2, 6);
  });

  test("drawn products compete too, by their chance to be among targets or drawn", () => {
    const vectors = matrix(3, 2, Float32Array.of(1, 0, 0, 1, 0.6, 0.8));
    const { loss } = inBatchLoss(
      vectors,
      { recency: 0 },
      {
        histories: [Int32Array.of(0)],
        targets: Int32Array.of(1),
        drawn: { products: Int32Array.of(2, 1), chance: 0.5 },
      },
      { temperature: 0.5, targetShares: Float64Array.of(0.25, 0.5, 0.25) },
    );
    // q = 1 - 0.5 * 0.5 of the target and 1 - 0.75 * 0.5 of the other; u'v is 0 and 0.6.
    const [target, other] = [1 / 0.75, Math.exp(1.2) / 0.625];
    expect(loss).toBeCloseTo(-Math.log(target / (target + other)), 6);
  });

  test("products of a row's own history are no negatives for it", () => {
    const vectors = matrix(2, 1, Float32Array.of(1, 1));
    const { loss } = inBatchLoss(
      vectors,
      { recency: 0 },
      { histories: [Int32Array.of(0), Int32Array.of(1)], targets: Int32Array.of(1, 0) },
      { temperature: 1, targetShares: Float64Array.of(0.5, 0.5) },
    );
    expect(loss).toBeCloseTo(0, 12);
  });
});

describe("alignment", () => {
  const part = (name: string, ...rows: number[][]) => ({
    name,
    projected: matrix(rows.length, 2, Float32Array.from(rows.flat())),
    present: Uint8Array.from(rows, ([x, y]) => (x === 0 && y === 0 ? 0 : 1)),
    weights: new Float64Array(rows.length),
  });
  const settings = { weight: 1, temperature: 0.5 };
  const loss = (parts: ReturnType<typeof part>[], items = [0, 1]): number =>
    alignmentLoss(
      parts,
      items,
      settings,
      parts.map(({ projected: { rows, cols } }) => matrix(rows, cols)),
    );

  test("by hand: two products, cosines 1 with their own and 0 with the other's", () => {
    const parts = [part("text", [2, 0], [0, 3]), part("image", [1, 0], [0, 5])];
    expect(loss(parts)).toBeCloseTo(Math.log(1 + Math.exp(-2)), 6);
    const crossed = [part("text", [2, 0], [0, 3]), part("image", [0, 1], [1, 0])];
    expect(loss(crossed)).toBeCloseTo(Math.log(1 + Math.exp(2)), 6);
  });

  test("a product that lacks one of the pair takes no part", () => {
    const parts = [part("text", [2, 0], [0, 3], [1, 1]), part("image", [1, 0], [0, 5], [0, 0])];
    expect(loss(parts, [0, 1, 2])).toBeCloseTo(Math.log(1 + Math.exp(-2)), 6);
    expect(loss(parts, [0, 2])).toBe(0);
  });
});

describe("modality dropout", () => {
  const presence = {
    text: new Uint8Array(1_000).fill(1),
    image: Uint8Array.from({ length: 1_000 }, (_, i) => i % 2),
    [COLLABORATIVE]: new Uint8Array(1_000),
  };
  const sum = (values: Uint8Array): number => values.reduce((total, x) => total + x, 0);

  test("each modality goes at its own chance, and nothing that is absent appears", () => {
    const remaining = dropModalities(presence, { image: 0.4, [COLLABORATIVE]: 0.5 }, mulberry32(1));
    expect(sum(remaining["text"]!)).toBe(1_000);
    expect(sum(remaining["image"]!) / 500).toBeCloseTo(0.6, 1);
    expect(sum(remaining[COLLABORATIVE]!)).toBe(0);
    expect(remaining["image"]!.every((has, i) => has <= presence.image[i]!)).toBe(true);
  });

  test("a product never loses its last one", () => {
    const remaining = dropModalities(presence, { text: 0.9, image: 0.9 }, mulberry32(2));
    expect(remaining["text"]!.every((has, i) => has === 1 || remaining["image"]![i] === 1)).toBe(
      true,
    );
    expect(sum(remaining["text"]!)).toBeLessThan(1_000);
  });
});

describe("Adam", () => {
  test("the first step is the rate against the gradient's sign; unnamed parameters stay", () => {
    const parameters = { a: Float32Array.of(1, 1), b: Float32Array.of(1) };
    const step = createAdam(parameters, { rates: { a: 0.1 }, beta1: 0.9, beta2: 0.99 });
    step({ a: Float32Array.of(3, -0.01), b: Float32Array.of(9) });
    expect(parameters.a[0]).toBeCloseTo(0.9, 6);
    expect(parameters.a[1]).toBeCloseTo(1.1, 6);
    expect(parameters.b[0]).toBe(1);
  });
});

describe("examples", () => {
  const train = [Int32Array.of(1, 2, 3), Int32Array.of(4), Int32Array.of(5, 6)];
  const rowsOf = (ordered: boolean, perUserMax?: number): string[] =>
    [...epochBatches(train, { ordered, batchRows: 2, ...(perUserMax && { perUserMax }) }, 7)]
      .flatMap(({ histories, targets }) =>
        histories.map((history, i) => `${history.join(" ")} -> ${targets[i]}`),
      )
      .sort();

  test("ordered: every prefix and what followed, once per epoch", () => {
    expect(rowsOf(true)).toEqual(["1 -> 2", "1 2 -> 3", "5 -> 6"]);
  });

  test("actions stay with their interactions", () => {
    const actions = train.map((history) => history.map((item) => 10 * item));
    for (const ordered of [true, false]) {
      for (const batch of epochBatches(train, { ordered, batchRows: 2 }, 7, actions)) {
        batch.histories.forEach((history, i) =>
          expect(batch.actions![i]).toEqual(history.map((item) => 10 * item)),
        );
      }
    }
  });

  test("unordered: every product with the others as its history", () => {
    expect(rowsOf(false)).toEqual(["1 2 -> 3", "1 3 -> 2", "2 3 -> 1", "5 -> 6", "6 -> 5"]);
  });

  test("products are drawn anew for every step, from the training part, none twice", () => {
    const options = { ordered: false, batchRows: 1, drawn: 3 };
    const drawn = [...epochBatches(train, options, 7)].map((batch) => batch.drawn!);
    expect(
      new Set(drawn.map(({ products }) => products.toSorted().join(" "))).size,
    ).toBeGreaterThan(1);
    for (const { products, chance } of drawn) {
      expect(chance).toBe(3 / 6);
      expect(new Set(products).size).toBe(3);
      expect(products.every((item) => item >= 1 && item <= 6)).toBe(true);
    }
    const [all] = epochBatches(train, { ...options, drawn: 100 }, 7);
    expect(all!.drawn).toEqual({ products: expect.any(Int32Array), chance: 1 });
  });

  test("a user gives no more examples than the bound", () => {
    expect(rowsOf(false, 1)).toHaveLength(2);
    const ofOneUser = epochBatches(
      train.slice(0, 1),
      { ordered: false, perUserMax: 2, batchRows: 2 },
      7,
    );
    expect([...ofOneUser].flatMap(({ histories }) => histories).length).toBe(2);
  });
});

describe("training", () => {
  // Two kinds of products; users stay with one kind, and content says nothing about it.
  const items = 12;
  const content = { text: normaliseRows(matrix(items, 4, randomVector(uniform, items * 4))) };
  const shape = {
    items,
    dims: 8,
    content,
    known: new Uint8Array(items).fill(1),
    scorer: "linear",
  } as const;
  const train = Array.from({ length: 60 }, (_, user) =>
    Int32Array.from(
      { length: 4 },
      (_, t) => 2 * (((user >> 1) + t * (user % 4 === 0 ? 1 : 5)) % 6) + (user % 2),
    ),
  );
  const settings = {
    examples: { ordered: false, batchRows: 32 },
    epochs: 12,
    temperature: 0.2,
    rate: 0.02,
    projectionRate: 0.01,
    recencyRate: 0,
    dropout: { [COLLABORATIVE]: 0.1 },
    tableScale: 0.1,
    decay: 1,
    seed: 3,
  };

  test("a planted structure is found: products of one kind end up nearer than of two", () => {
    const reports = [...trainEpochs(shape, train, settings)];
    const { vectors } = reports.at(-1)!;
    const cosines = { same: [] as number[], other: [] as number[] };
    for (let i = 0; i < items; i += 1) {
      for (let j = 0; j < i; j += 1) {
        const cosine = rowOf(vectors, i).reduce((s, x, k) => s + x * rowOf(vectors, j)[k]!, 0);
        cosines[(i - j) % 2 === 0 ? "same" : "other"].push(cosine);
      }
    }
    const mean = (values: number[]): number => values.reduce((s, x) => s + x, 0) / values.length;
    expect(mean(cosines.same)).toBeGreaterThan(mean(cosines.other) + 0.5);
    expect(reports.at(-1)!.loss).toBeLessThan(reports[0]!.loss);
  });

  test("an action that tells of what follows comes to count more than one that does not", () => {
    // Users buy one kind; in between they see anything.
    const histories = train.map((_, user) =>
      Int32Array.from({ length: 5 }, (__, t) => {
        const kind = t % 2 === 0 || uniform() < 0.5 ? user % 2 : 1 - (user % 2);
        return 2 * ((user + 5 * t) % 6) + kind;
      }),
    );
    const actions = histories.map((history) => history.map((_, t) => (t % 2 === 0 ? 1 : 0)));
    const ordered = { ...settings, examples: { ordered: true, batchRows: 32 }, recencyRate: 0 };
    const biases = new Float32Array(2);
    const weighed = { ...shape, interests: { keyDims: 2, biases } };
    const { state } = [...trainEpochs(weighed, histories, ordered, { actions })].at(-1)!;
    const [seen, bought] = state.parameters[nameOf.interestBiases]!;
    expect(bought! - seen!).toBeGreaterThan(0.1);
    const unknown = [...trainEpochs(weighed, histories, ordered)].at(-1)!;
    expect(Array.from(unknown.state.parameters[nameOf.interestBiases]!)).toEqual([0, 0]);
  });

  test("the same seed gives the same bits, another seed others", () => {
    const bits = (seed: number): string => {
      const [report] = trainEpochs(shape, train, { ...settings, epochs: 1, seed });
      return Buffer.from(report!.vectors.data.buffer).toString("hex");
    };
    expect(bits(1)).toBe(bits(1));
    expect(bits(1)).not.toBe(bits(2));
  });

  test("zeros have the names and lengths of what they stand for", () => {
    const zeros = zerosLike({ [nameOf.recency]: Float32Array.of(3) });
    expect(Array.from(zeros[nameOf.recency]!)).toEqual([0]);
  });
});
