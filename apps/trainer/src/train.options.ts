import { basename, resolve } from "node:path";
import { FUSION_KINDS, INTEREST_KINDS, SCORER_KINDS } from "@marquetry/learning/learn/learn-model";
import type { ModelSettings } from "@marquetry/learning/learn/learn-model";
import { MarquetryError } from "@marquetry/runtime/errors";
import { assertOneSource, SOURCE_HELP, SOURCE_OPTIONS } from "./data-source.options.js";
import type { SourceValues } from "./data-source.options.js";
import { countOf, oneOf, parseOptions, required, weightOf } from "./option-values.js";

export const TRAIN_HELP = `npm run train -- --dataset DIR --out DIR [OPTIONS]
npm run train -- --from-system --out DIR [OPTIONS]

Learns one vector per product from the dataset's training part, or from what the running system has.
Chooses settings on the validation part and writes a bundle: manifest.json and weights.safetensors for
the services, behaviour.json and behaviour.safetensors for npm run export, report.json with the
metrics. Data in order of time give a re-ranker too, where it improves the validation part.

  --out DIR         where the bundle goes; must not exist yet
  --seed N          Default: 1. The same seed gives the same bundle
  --fusion KIND     Default: combined, which is several models, closed forms and neighbours, distilled
                    into a weighted sum. attention: one model, whose learned weights the services use
  --scorer KIND     of the attention: linear, bilinear or tanh. Default: linear
  --interests KIND  Default: recency, which weighs the newest interactions most.
                    item-identity: recency, and codes in the vectors by which a product that somebody
                    just had is suppressed.
                    sequence: a causal transformer on top of item-identity; takes minutes.
                    attention: also weighs an interaction by its product and action; needs
                    --fusion attention. item-identity and sequence need data in order of time
  --towers          with --fusion attention: a learned tower each for users and products
  --alignment W     with --fusion attention: weight of the loss that pulls the modalities of a product
                    closer (InfoNCE). Default: 0
  --checkpoint DIR  stores the state of training there after every epoch and resumes from it
  --help            this text

${SOURCE_HELP}
Ends with a table of the bundle's metrics on the test part, beside those of popularity.
`;

interface TrainOptions {
  readonly source: SourceValues;
  readonly out: string;
  readonly seed: number;
  readonly model: ModelSettings;
  readonly checkpoint: string | undefined;
  /** The command, as far as the result depends on it. */
  readonly createdBy: string;
}

/**
 * @returns undefined where help is requested
 * @throws MarquetryError `invalid` for a wrong value, or for values that do not fit each other
 */
export function trainOptionsOf(args: readonly string[]): TrainOptions | undefined {
  const values = parseOptions(args, {
    ...SOURCE_OPTIONS,
    out: { type: "string" },
    seed: { type: "string", default: "1" },
    checkpoint: { type: "string" },
    fusion: { type: "string", default: "combined" },
    scorer: { type: "string", default: "linear" },
    interests: { type: "string", default: "recency" },
    towers: { type: "boolean", default: false },
    alignment: { type: "string", default: "0" },
    help: { type: "boolean", default: false },
  });
  if (values.help) return undefined;
  assertOneSource(values);
  const out = required("--out", values.out);
  const seed = countOf("--seed", values.seed);
  const model = {
    fusion: oneOf("--fusion", values.fusion, FUSION_KINDS),
    scorer: oneOf("--scorer", values.scorer, SCORER_KINDS),
    interests: oneOf("--interests", values.interests, INTEREST_KINDS),
    towers: values.towers,
    alignment: weightOf("--alignment", values.alignment),
  };
  assertFit(model);
  const createdBy = commandOf(values.dataset, seed, model);
  return { source: values, out, seed, model, checkpoint: values.checkpoint, createdBy };
}

function assertFit({ fusion, interests, towers, alignment }: ModelSettings): void {
  const expected = FUSION_OF[interests] ?? fusion;
  if (fusion !== expected) {
    throw new MarquetryError("invalid", `--interests ${interests}: expected --fusion ${expected}`);
  }
  if (fusion === "combined" && (towers || alignment > 0)) {
    const message = "--towers and --alignment: expected --fusion attention too";
    throw new MarquetryError("invalid", message);
  }
}

/** The only fusion that the interests go with; any where absent. */
const FUSION_OF: Partial<Record<ModelSettings["interests"], ModelSettings["fusion"]>> = {
  attention: "attention",
  "item-identity": "combined",
  sequence: "combined",
};

/** Manifests say `own-code`, as bundles always did: equal training gives equal bytes. */
const STORED_INTERESTS: Partial<Record<ModelSettings["interests"], string>> = {
  "item-identity": "own-code",
};

function commandOf(dataset: string | undefined, seed: number, model: ModelSettings): string {
  const { fusion, scorer, interests, towers, alignment } = model;
  const source =
    dataset === undefined ? "--from-system" : `--dataset ${basename(resolve(dataset))}`;
  const attention = ` --fusion attention --scorer ${scorer} --alignment ${alignment}`;
  const kind = fusion === "attention" ? `${attention}${towers ? " --towers" : ""}` : "";
  const stored = STORED_INTERESTS[interests] ?? interests;
  const pooled = interests === "recency" ? "" : ` --interests ${stored}`;
  return `train ${source} --seed ${seed}${kind}${pooled}`;
}
