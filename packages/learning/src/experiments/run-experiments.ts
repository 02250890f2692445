/** Runs methods and curves one after the other, and hands over each result as it comes. */
import type { MethodResult } from "../scoring/method-result.js";
import type { ExperimentContext } from "./context.js";
import type { Curve } from "./curve.js";
import type { CurveSource } from "./curves.js";
import type { Method } from "./methods.js";

export interface Experiments {
  readonly methods: readonly Method[];
  readonly curves: readonly CurveSource[];
}

export interface ExperimentResults {
  readonly methods: readonly MethodResult[];
  readonly curves: readonly Curve[];
}

interface ResultListener {
  readonly onMethod: (result: MethodResult) => void;
  readonly onCurve: (curve: Curve) => void;
}

export async function runExperiments(
  context: ExperimentContext,
  experiments: Experiments,
  { onMethod, onCurve }: ResultListener,
): Promise<ExperimentResults> {
  const methods: MethodResult[] = [];
  const curves: Curve[] = [];
  for (const method of experiments.methods) {
    for await (const result of await method.results(context)) {
      methods.push(result);
      onMethod(result);
    }
  }
  for (const source of experiments.curves) {
    for (const curve of await source.curves(context)) {
      curves.push(curve);
      onCurve(curve);
    }
  }
  return { methods, curves };
}
