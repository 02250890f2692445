/** A metric along something that is varied: how many modalities, interactions or products are missing. */
import type { MethodResult } from "../scoring/method-result.js";
import type { Mean } from "../scoring/statistics.js";

export interface Curve {
  /** Part of file names and of metrics' names. */
  readonly name: string;
  readonly title: string;
  /** How it was measured, with what was chosen on the validation part. */
  readonly protocol: string;
  readonly xLabel: string;
  /** Numbers, or names. */
  readonly xs: readonly (number | string)[];
  /** Recall and NDCG are at this cutoff. */
  readonly k: number;
  readonly series: readonly CurveSeries[];
  /** The results that the points are of, where there are some. */
  readonly results?: readonly MethodResult[];
  /** What the curve says about a goal. */
  readonly verdict?: string;
}

export interface CurveSeries {
  readonly name: string;
  /** By x; undefined where there is no metric. */
  readonly points: readonly (CurvePoint | undefined)[];
}

export interface CurvePoint {
  readonly recall: Mean;
  readonly ndcg?: Mean;
  /** Runs behind the means. */
  readonly seeds: number;
  /** Standard deviation of the recall over the runs. */
  readonly seedDeviation: number;
}
