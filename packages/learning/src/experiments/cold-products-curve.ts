import { mainCutoff } from "../scoring/choose.js";
import type { Curve, CurvePoint } from "./curve.js";
import { meanOf } from "../scoring/statistics.js";
import type { MethodResult } from "../scoring/method-result.js";
import { pointOf } from "./curve-points.js";
import { coldResults } from "./cold-products-method.js";
import type { Prepared } from "../representation/prepare.js";

/** Percent of the products that are removed. */
const PERCENT = [5, 10, 20, 40];
/** Where the goal is; the others are trained once, for the shape of the curve. */
const GOAL_PERCENT = 10;
const SEEDS_MAX = 3;

const METHODS = ["content", "imputed"] as const;

/** Trains anew for every share and seed: a product that training saw is not cold. */
export async function coldProductsCurve(
  prepared: Prepared,
  seeds: number,
  report: (line: string) => void,
): Promise<Curve> {
  const k = mainCutoff(prepared.dataset);
  const results: MethodResult[] = [];
  for (const percent of PERCENT) {
    const runs = percent === GOAL_PERCENT ? Math.min(seeds, SEEDS_MAX) : 1;
    const all = await coldResults(prepared, percent / 100, runs, report);
    results.push(...all.filter(({ policy }) => policy === "masked"));
  }
  const point = (percent: number, method: string, part: string): CurvePoint | undefined => {
    const name = `${percent}% cold, ${method}, ${part} targets`;
    const result = results.find((each) => each.method === name);
    return result && pointOf(result.runs.map((run) => run.find((at) => at.k === k)!));
  };
  const series = [
    ...METHODS.map((method) => ({ name: `cold targets, ${method}`, method, part: "cold" })),
    { name: "all targets, cold ones never shown", method: "nothing", part: "all" },
    { name: "all targets, imputed", method: "imputed", part: "all" },
  ];
  return {
    name: "cold-products",
    title: "Cold products",
    protocol:
      "That share of the products, drawn anew with each seed, is removed from training and from all " +
      "histories, and the model is trained anew; targets are whole. Cold targets: users whose " +
      "target is such a product, every other product being a candidate as well. Content: what " +
      "fusion makes of content alone. Imputed: with a collaborative vector guessed from the " +
      "nearest products by content. A model of interactions alone never finds them: 0. Decay and weight of popularity " +
      "were chosen on the validation part, with own history left out.",
    xLabel: "% of products cold",
    xs: PERCENT,
    k,
    series: series.map(({ name, method, part }) => ({
      name,
      points: PERCENT.map((percent) => point(percent, method, part)),
    })),
    results,
    verdict: verdictOf(results, k),
  };
}

/** Whether showing cold products costs the others anything, at a tenth. */
function verdictOf(results: readonly MethodResult[], k: number): string {
  const recall = (method: string): number => {
    const name = `${GOAL_PERCENT}% cold, ${method}, all targets`;
    const result = results.find((each) => each.method === name)!;
    return meanOf(result.runs.map((run) => run.find((at) => at.k === k)!.recall.value)).value;
  };
  const [without, imputed] = [recall("nothing"), recall("imputed")];
  const word = imputed >= without ? "not lower" : "lower";
  return (
    `At ${GOAL_PERCENT}% recall over all targets is ${imputed.toFixed(4)} with imputed vectors and ` +
    `${without.toFixed(4)} without the cold products: ${word}.`
  );
}
