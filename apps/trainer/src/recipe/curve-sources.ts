/** Which curves the quality report has, in its order. */
import type { Curve } from "../evaluation/curves.js";
import { coldProductsCurve } from "./cold-products-curve.js";
import { coldUsersCurve } from "./cold-users-curve.js";
import type { RowContext } from "./row-sources.js";

export interface CurveSource {
  /** What `--curves` calls it. */
  readonly name: string;
  /** Undefined where the curve does not apply. */
  readonly curve: (context: RowContext) => Curve | undefined | Promise<Curve | undefined>;
}

export const CURVE_SOURCES: readonly CurveSource[] = [
  { name: "cold-users", curve: ({ prepared, learned }) => coldUsersCurve(prepared, learned()) },
  {
    name: "cold-products",
    curve: async ({ prepared, seeds, report }) =>
      seeds === 0 ? undefined : await coldProductsCurve(prepared, seeds, report),
  },
];
