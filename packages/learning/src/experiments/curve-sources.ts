/** Which curves the quality report has, in its order. */
import type { Curve } from "./curves.js";
import { coldProductsCurve } from "./cold-products-curve.js";
import { coldUsersCurve } from "./cold-users-curve.js";
import { missingModalityCurves } from "./missing-modality-curves.js";
import type { RowContext } from "./row-sources.js";

export interface CurveSource {
  /** What `--curves` calls it. */
  readonly name: string;
  /** None where they do not apply. */
  readonly curves: (context: RowContext) => readonly Curve[] | Promise<readonly Curve[]>;
}

export const CURVE_SOURCES: readonly CurveSource[] = [
  {
    name: "cold-users",
    curves: async ({ prepared, learned }) => [coldUsersCurve(prepared, await learned())],
  },
  {
    name: "cold-products",
    curves: async ({ prepared, seeds, report }) =>
      seeds === 0 ? [] : [await coldProductsCurve(prepared, seeds, report)],
  },
  {
    name: "missing-modality",
    curves: ({ prepared, seeds, fusions }) =>
      seeds === 0 ? [] : missingModalityCurves(prepared, fusions),
  },
];
