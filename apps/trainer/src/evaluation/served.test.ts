import { expect, test } from "@jest/globals";
import { matrix } from "@marquetry/model/matrix";
import { mulberry32, randomVector } from "@marquetry/model/random";
import { trainedBundle } from "../bundle/trained-bundle.js";
import { normaliseRows } from "../linear-algebra/rows.js";
import type { Prepared } from "../recipe/prepare.js";
import { pooledScorer, popularityPrior } from "./pooled.js";
import { servedScorer } from "./served.js";

test("a bundle scores by the services' functions what the trainer measured, to 1e-5", async () => {
  const uniform = mulberry32(31);
  const items = 20;
  const counts = Float64Array.from({ length: items }, (_, i) => 1 + i);
  const text = matrix(items, 6, randomVector(uniform, items * 6));
  const vectors = normaliseRows(matrix(items, 4, randomVector(uniform, items * 4)));
  const histories = [Int32Array.of(3, 1, 3), Int32Array.of(19)];
  const prepared: Prepared = {
    dataset: {
      name: "tiny",
      itemIds: Array.from({ length: items }, (_, i) => String(i)),
      ordered: true,
      splits: { train: histories, valid: [], test: [], testHistory: "train" },
      features: {},
      texts: {},
    },
    features: { text },
    encoders: { text: { encoder: "words", dims: 6 } },
    content: {},
    whitenings: {},
    counts,
  };
  const ranking = { decay: 0.7, popularity: 0.05 };
  const trained = await trainedBundle(prepared, vectors, ranking, "a test");
  const users = Int32Array.of(1, 0);
  const served = servedScorer(trained, { text }, counts)(histories)(users);
  const prior = popularityPrior(counts, ranking.popularity);
  const measured = pooledScorer({ vectors, histories, decay: ranking.decay, prior })(users);
  measured.data.forEach((score, i) => expect(served.data[i]).toBeCloseTo(score, 5));
});

test("a bundle whose similarity the evaluation does not know is refused", async () => {
  const trained = { bundle: { id: "b", similarity: { kind: "cosine" } } };
  expect(() => servedScorer(trained as never, {}, new Float64Array(1))).toThrow(
    "bundle b: expected similarity dot or two-tower, got cosine",
  );
});
