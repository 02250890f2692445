import type { Matrix } from "@marquetry/model/vectors/matrix";
import { evaluationCaseOf } from "../dataset/dataset.js";
import { popularityScorer } from "../scoring/baselines.js";
import { mainCutoff } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import { orPopularity, withNewest } from "../scoring/cold-users.js";
import type { Curve, CurveSeries } from "./curve.js";
import { besideRows, normaliseRows } from "../linear-algebra/rows.js";
import { CURVE_POLICY, metricsFor, pointOf } from "./curve-points.js";
import { chooseRanking } from "../learn/choose-ranking.js";
import { rankingOf } from "../scoring/ranking.js";
import type { Prepared } from "../representation/prepare.js";

/** Interactions of each test user's history that the recommender knows. */
const KNOWN = [0, 1, 2, 5, 10];

/** @param learned one matrix of vectors per seed; may be none */
export function coldUsersCurve(prepared: Prepared, learned: readonly Matrix[]): Curve {
  const { dataset, counts } = prepared;
  const content = normaliseRows(besideRows(...Object.values(prepared.content)));
  const methods: [string, readonly ScorerFor[]][] = [
    ["popularity", [() => popularityScorer(counts)]],
    ["content only", [byVectors(prepared, content)]],
  ];
  if (learned.length > 0) {
    if (dataset.ordered) {
      methods.push(["full, mean pooling", learned.map((v) => byVectors(prepared, v, 1))]);
    }
    methods.push(["full", learned.map((vectors) => byVectors(prepared, vectors))]);
  }
  return {
    name: "cold-users",
    title: "Cold users",
    protocol:
      `Of each test user's history the recommender knows only the ` +
      `${dataset.ordered ? "newest" : "last listed"} 0, 1, 2, 5 or 10 interactions, or all where ` +
      "there are fewer; without any it answers by popularity. Users, targets and candidates are " +
      "the same at every point: the whole history is left out of the answers. Products are as " +
      "trained, with all of the training part. Decay and weight of popularity were chosen on the " +
      "validation part with whole histories.",
    xLabel: "interactions known",
    xs: KNOWN,
    k: mainCutoff(dataset),
    series: methods.map(([name, runs]) => seriesOf(prepared, name, runs)),
  };
}

function byVectors(prepared: Prepared, vectors: Matrix, decay?: number): ScorerFor {
  const settings = chooseRanking(prepared, vectors, CURVE_POLICY, decay);
  const scorerFor = rankingOf(prepared, vectors)(settings);
  return (histories) => orPopularity(scorerFor(histories), histories, prepared.counts);
}

function seriesOf(prepared: Prepared, name: string, runs: readonly ScorerFor[]): CurveSeries {
  const evaluationCase = evaluationCaseOf(prepared.dataset, "test");
  const points = KNOWN.map((known) =>
    pointOf(
      runs.map((scorerFor) => metricsFor(prepared, scorerFor, withNewest(evaluationCase, known))),
    ),
  );
  return { name, points };
}
