/** Points of curves from runs of several seeds. */
import { questionOf } from "../dataset/dataset.js";
import type { Question } from "../dataset/dataset.js";
import { figuresOf, mainCutoff } from "../scoring/choose.js";
import type { ScorerFor } from "../scoring/choose.js";
import type { CurvePoint } from "./curves.js";
import { deviationOf, meanOf } from "../scoring/metrics.js";
import type { FiguresAt } from "../scoring/metrics.js";
import type { RankingRules } from "../scoring/top-lists.js";
import type { Prepared } from "../representation/prepare.js";

/** Curves leave the user's own history out: as a shop does. */
export const CURVE_RULES: RankingRules = { masked: true };

/** Figures at the dataset's cutoff for a question about the test part. */
export function figuresFor(
  { dataset, counts }: Prepared,
  scorerFor: ScorerFor,
  question: Question = questionOf(dataset, "test"),
): FiguresAt {
  const k = mainCutoff(dataset);
  const figures = figuresOf(dataset, counts, question, scorerFor, CURVE_RULES);
  return figures.find((at) => at.k === k)!;
}

/** Means over the seeds' figures; the standard error is that over users. */
export function pointOf(runs: readonly FiguresAt[]): CurvePoint {
  const mean = (figure: "recall" | "ndcg") => ({
    value: meanOf(runs.map((run) => run[figure].value)).value,
    standardError: meanOf(runs.map((run) => run[figure].standardError)).value,
  });
  return {
    recall: mean("recall"),
    ndcg: mean("ndcg"),
    seeds: runs.length,
    seedDeviation: deviationOf(runs.map((run) => run.recall.value)),
  };
}
