/** Which curves the quality report has, in its order. */
import { coldProductsCurve } from "./cold-products-curve.js";
import { coldUsersCurve } from "./cold-users-curve.js";
import type { ExperimentContext } from "./context.js";
import type { Curve } from "./curve.js";
import { missingModalityCurves } from "./missing-modality-curves.js";

export interface CurveSource {
  /** Value of `--curves`. */
  readonly name: string;
  /** None where they do not apply. */
  readonly curves: (context: ExperimentContext) => readonly Curve[] | Promise<readonly Curve[]>;
}

export const CURVES: readonly CurveSource[] = [
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
