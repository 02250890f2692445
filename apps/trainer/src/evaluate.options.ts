import { CURVES } from "@marquetry/learning/experiments/curves";
import { coldMethod, METHODS } from "@marquetry/learning/experiments/methods";
import type { Experiments } from "@marquetry/learning/experiments/run-experiments";
import { assertOneSource, SOURCE_HELP, SOURCE_OPTIONS } from "./data-source.options.js";
import type { SourceValues } from "./data-source.options.js";
import { countOf, parseOptions, shareOf, someOf } from "./option-values.js";

export const EVALUATE_HELP = `npm run evaluate -- --dataset DIR [OPTIONS]
npm run evaluate -- --from-system [OPTIONS]

Trains on the training part of a dataset, or of what the running system has, chooses on the validation
part and prints how well the test part is found, beside popularity and other methods.

  --seeds N        runs of the learned model. Default: 3; 0 with --bundle. 0 leaves the model out
  --bundle DIR     also measures a bundle that npm run train wrote, ranked by the services' own
                   functions
  --methods A,B    only these of ${METHODS.map(({ name }) => name).join(", ")};
                   popularity is always among them
  --curves A,B     only these of ${CURVES.map(({ name }) => name).join(", ")}.
                   Default: all with --report, none without
  --report DIR     writes NAME.md (of the dataset) with all of it, and a plot for each curve
  --cold SHARE     instead of all that: removes that share of products (such as 0.1) from training
                   and histories and measures how well they are found; trains once per seed
  --json           one JSON line per metric and nothing else on stdout
  --help           this text

${SOURCE_HELP}`;

interface EvaluateOptions extends Experiments {
  readonly source: SourceValues;
  readonly bundle: string | undefined;
  readonly seeds: number;
  /** Where the report goes; none is written where absent. */
  readonly report: string | undefined;
  readonly json: boolean;
}

/**
 * @returns undefined where help is requested
 * @throws MarquetryError `invalid` for a wrong value
 */
export function evaluateOptionsOf(args: readonly string[]): EvaluateOptions | undefined {
  const values = parseOptions(args, {
    ...SOURCE_OPTIONS,
    bundle: { type: "string" },
    seeds: { type: "string" },
    methods: { type: "string" },
    curves: { type: "string" },
    report: { type: "string" },
    cold: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  });
  if (values.help) return undefined;
  assertOneSource(values);
  const { bundle, report, json } = values;
  const cold = values.cold === undefined ? undefined : shareOf("--cold", values.cold);
  const noCurves = cold !== undefined || (values.curves === undefined && report === undefined);
  return {
    source: values,
    bundle,
    seeds: countOf("--seeds", values.seeds ?? (bundle === undefined ? "3" : "0")),
    methods:
      cold === undefined
        ? someOf("--methods", METHODS, values.methods && `popularity,${values.methods}`)
        : [coldMethod(cold)],
    curves: noCurves ? [] : someOf("--curves", CURVES, values.curves),
    report,
    json,
  };
}
