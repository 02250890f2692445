/** Which curves the quality report has, in its order. */
import type { Curve } from "../evaluation/curves.js";
import { coldUsersCurve } from "./cold-users-curve.js";
import type { RowContext } from "./row-sources.js";

export interface CurveSource {
  /** What `--curves` calls it. */
  readonly name: string;
  /** Undefined where the curve does not apply. */
  readonly curve: (context: RowContext) => Curve | undefined | Promise<Curve>;
}

export const CURVE_SOURCES: readonly CurveSource[] = [
  { name: "cold-users", curve: ({ prepared, learned }) => coldUsersCurve(prepared, learned()) },
];
