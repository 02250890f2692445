import { describe, expect, test } from "@jest/globals";
import { decodeBundle } from "@marquetry/model/bundle/codec";
import { fuse } from "@marquetry/model/fusion";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { temporaryFolder } from "@marquetry/testing/folders";
import { rowOf } from "../linear-algebra/rows.js";
import { servedScorer } from "./served.js";
import { learnFusion } from "../learn/learn-fusion.js";
import { rankingOf } from "../scoring/ranking.js";
import type { LearnedFusion } from "../learn/learn-fusion.js";
import type { Prepared } from "../representation/prepare.js";
import { prepareContent } from "../representation/content.js";
import { towersOf } from "../training/parameters.js";
import type { ScorerKind } from "../training/scorer.js";
import { nativeFusion } from "./native-fusion.js";
import { modalityVectors } from "./trained-bundle.js";
import { trainedBundle } from "../../test/trained.js";

const ITEMS = 40;
const USERS = 60;
const uniform = mulberry32(31);
const text = matrix(ITEMS, 9, randomVector(uniform, ITEMS * 9));
const image = matrix(ITEMS, 7, randomVector(uniform, ITEMS * 7));
// One product without a picture, and the last two that nobody had.
rowOf(image, 5).fill(0);
const histories = Array.from({ length: USERS }, (_, user) =>
  Int32Array.from({ length: 4 }, (__, t) => (user * 7 + t * (1 + (user % 3))) % (ITEMS - 2)),
);
const counts = new Float64Array(ITEMS);
for (const history of histories) for (const item of history) counts[item]! += 1;
const contents = { text: prepareContent(text, 4), image: prepareContent(image, 3) };

const prepared: Prepared = {
  dataset: {
    name: "tiny",
    itemIds: Array.from({ length: ITEMS }, (_, i) => `p${i}`),
    ordered: false,
    splits: {
      train: histories,
      valid: histories.map((_, user) => Int32Array.of((user * 5) % ITEMS)),
      test: [],
      testHistory: "train",
    },
    features: {},
    texts: {},
  },
  features: { text, image },
  encoders: { text: { encoder: "words", dims: 9 }, image: { encoder: "pictures", dims: 7 } },
  content: { text: contents.text.rows, image: contents.image.rows },
  whitenings: { text: contents.text.whitening, image: contents.image.whitening },
  counts,
};

function learn(scorer: ScorerKind): LearnedFusion {
  const report = (): void => undefined;
  return learnFusion(prepared, { seed: 1, report, weights: "attention", scorer });
}

describe("a learned attention in a bundle", () => {
  test.each(["linear", "bilinear", "tanh"] as const)(
    "%s: fuses every product to its trained vector, cold ones and incomplete ones too",
    async (scorer) => {
      const learned = learn(scorer);
      const served = nativeFusion(prepared, learned);
      const ranking = { decay: 1, popularity: 0 };
      const { encoded } = await trainedBundle(prepared, learned.vectors, ranking, {
        served,
      });
      const { fusion } = await decodeBundle(encoded.manifest, encoded.weights);
      const vectorsOf = modalityVectors(prepared.features, served.collaborative);
      expect(served.collaborative.items).toHaveLength(ITEMS - 2);
      for (let item = 0; item < ITEMS; item += 1) {
        const fused = fuse(fusion, vectorsOf(item))!;
        rowOf(learned.vectors, item).forEach((x, j) =>
          expect(Math.abs(fused[j]! - x)).toBeLessThan(1e-5),
        );
      }
    },
  );

  test("towers become those of the similarity: services rank as the trainer does", async () => {
    const report = (): void => undefined;
    const options = { seed: 2, report, weights: "attention", towers: true } as const;
    const learned = learnFusion(prepared, options);
    const towers = towersOf(learned.shape, learned.parameters)!;
    expect(Math.max(...towers.user.data.map(Math.abs))).toBeGreaterThan(1e-3);
    const served = nativeFusion(prepared, learned);
    const ranking = { decay: 1, popularity: 0 };
    const trained = await trainedBundle(prepared, learned.vectors, ranking, { served });
    const users = Int32Array.of(0, 1, 2);
    const expected = rankingOf(prepared, learned.vectors, { towers })(ranking)(histories)(users);
    const got = servedScorer(trained, prepared.features, counts)(histories)(users);
    expected.data.forEach((x, e) => expect(Math.abs(got.data[e]! - x)).toBeLessThan(1e-4));
  });

  test("learned weights differ between modalities, fixed ones do not", () => {
    const gatesOf = ({ parameters }: LearnedFusion): number[] =>
      Object.entries(parameters).flatMap(([name, [value]]) =>
        name.endsWith(".gate") ? [value!] : [],
      );
    expect(new Set(gatesOf(learn("linear"))).size).toBeGreaterThan(1);
    const report = (): void => undefined;
    const fixed = learnFusion(prepared, { seed: 1, report, weights: "fixed" });
    expect(gatesOf(fixed)).toEqual([0, 0, 0]);
  });

  test("a checkpoint of other content is refused, though its shape is the same", async () => {
    await using folder = await temporaryFolder();
    const options = {
      seed: 1,
      report: (): void => undefined,
      weights: "attention",
      checkpoints: { directory: folder.directory, data: "the same" },
    } as const;
    const { vectors } = learnFusion(prepared, options);
    expect(learnFusion(prepared, options).vectors).toEqual(vectors);
    const other = { ...prepared.content, text: matrix(ITEMS, 4, randomVector(uniform, ITEMS * 4)) };
    expect(() => learnFusion({ ...prepared, content: other }, options)).toThrow(
      "expected a checkpoint of this data",
    );
  });

  test("neighbours are refused: no service knows them", () => {
    const learned = learn("linear");
    const neighbours = { rows: 0, cols: 0, starts: new Int32Array(1) } as never;
    const shape = { ...learned.shape, graph: { neighbours, share: 1, layers: 1 } };
    expect(() => nativeFusion(prepared, { ...learned, shape })).toThrow("neighbours");
  });
});
