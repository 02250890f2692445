import { expect, test } from "@jest/globals";
import { decodeBundle } from "@marquetry/model/bundle";
import { matrix } from "@marquetry/model/matrix";
import type { Matrix } from "@marquetry/model/matrix";
import { mulberry32, randomVector } from "@marquetry/model/random";
import { trainedBundle } from "../bundle/trained-bundle.js";
import { normaliseRows } from "../linear-algebra/rows.js";
import type { Prepared } from "../recipe/prepare.js";
import { baseRanking } from "../recipe/reranked-rows.js";
import { rerankedScorer } from "../reranking/reranked.js";
import { pooledScorer, popularityPrior } from "./pooled.js";
import { servedScorer } from "./served.js";

function tiny(): { prepared: Prepared; vectors: Matrix; histories: Int32Array[] } {
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
  return { prepared, vectors, histories };
}

test("a bundle scores by the services' functions what the trainer measured, to 1e-5", async () => {
  const { prepared, vectors, histories } = tiny();
  const { counts, features } = prepared;
  const ranking = { decay: 0.7, popularity: 0.05 };
  const trained = await trainedBundle(prepared, vectors, ranking, "a test");
  const users = Int32Array.of(1, 0);
  const served = servedScorer(trained, features, counts)(histories)(users);
  const prior = popularityPrior(counts, ranking.popularity);
  const measured = pooledScorer({ vectors, histories, decay: ranking.decay, prior })(users);
  measured.data.forEach((score, i) => expect(served.data[i]).toBeCloseTo(score, 5));
});

test("a bundle read back re-ranks as the trainer measured", async () => {
  const { prepared, vectors, histories } = tiny();
  const ranking = { decay: 0.7, popularity: 0.05 };
  const features = { own: -0.5, popularity: 0.1, "fused:max": 0.4, "text:last": -0.3 };
  const model = { candidates: 8, historyMax: 2, features };
  const trained = await trainedBundle(prepared, vectors, ranking, "a test", undefined, model);
  const bundle = await decodeBundle(trained.encoded.manifest, trained.encoded.weights);
  const users = Int32Array.of(1, 0);
  const served = servedScorer({ ...trained, bundle }, prepared.features, prepared.counts);
  const base = baseRanking(prepared, vectors, ranking);
  const measured = rerankedScorer(base, model)(histories)(users);
  const plain = base.scorerFor(histories)(users);
  expect(Math.abs(plain.data[0]! - measured.data[0]!)).toBeGreaterThan(0.01);
  served(histories)(users).data.forEach((score, i) =>
    expect(score).toBeCloseTo(measured.data[i]!, 5),
  );
});

test("a bundle whose similarity the evaluation does not know is refused", async () => {
  const trained = { bundle: { id: "b", similarity: { kind: "cosine" } } };
  expect(() => servedScorer(trained as never, {}, new Float64Array(1))).toThrow(
    "bundle b: expected similarity dot or two-tower, got cosine",
  );
});
