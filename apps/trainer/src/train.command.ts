import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { sha256Hex } from "@marquetry/model/digest";
import type { Matrix } from "@marquetry/model/matrix";
import { MarquetryError } from "@marquetry/runtime/errors";
import { assertNothingAt, writeBundleFolder } from "./bundle/bundle-folder.js";
import type { ServedFusion } from "./bundle/express.js";
import { nativeFusion } from "./bundle/native-fusion.js";
import { trainedBundle } from "./bundle/trained-bundle.js";
import { readTrainerConfig } from "./config.js";
import type { Dataset } from "./dataset/dataset.js";
import { countOf, DEFAULT_IMAGE_ENCODER, DEFAULT_TEXT_ENCODER } from "./evaluate.command.js";
import type { CommandOutput } from "./evaluate.command.js";
import { chooseRanking, learnFusion, learnVectors } from "./recipe/learn.js";
import type { LearnOptions } from "./recipe/learn.js";
import { RULES, rulesOf, vectorRow } from "./recipe/methods.js";
import { prepare } from "./recipe/prepare.js";
import type { Prepared } from "./recipe/prepare.js";

const FUSIONS = ["combined", "attention"] as const;
const SCORERS = ["linear", "bilinear", "tanh"] as const;

const HELP = `npm run train -- --dataset DIR --out DIR [OPTIONS]

Learns one vector per product from the dataset's training part, chooses on its validation part, and
writes a bundle: manifest.json and weights.safetensors for the services, behaviour.json and
behaviour.safetensors to be published as modality vectors, report.json with the figures.

  --dataset DIR   as for evaluate
  --out DIR       where the bundle goes; nothing may be there yet
  --seed N        1 unless told; the same seed gives the same bundle
  --text ID       encoder of texts, all-minilm-l6-v2-int8 unless told
  --image ID      encoder of pictures, efficientnet-lite0 unless told
  --fusion KIND   combined (unless told): several models, closed forms and neighbours, expressed as
                  a weighted sum; or attention: one model, whose learned weights the services use
  --scorer KIND   of the attention: linear (unless told), bilinear or tanh
  --help          this text
`;

export async function runTrain(args: readonly string[], output: CommandOutput): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      dataset: { type: "string" },
      out: { type: "string" },
      seed: { type: "string", default: "1" },
      text: { type: "string", default: DEFAULT_TEXT_ENCODER },
      image: { type: "string", default: DEFAULT_IMAGE_ENCODER },
      fusion: { type: "string", default: "combined" },
      scorer: { type: "string", default: "linear" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void output.stdout.write(HELP);
  const { dataset: folder, out } = values;
  if (folder === undefined || out === undefined) {
    throw new MarquetryError("invalid", "--dataset and --out are both needed");
  }
  const seed = countOf("--seed", values.seed);
  const fusion = oneOf("--fusion", values.fusion, FUSIONS);
  const scorer = oneOf("--scorer", values.scorer, SCORERS);
  await assertNothingAt(out);
  const report = (line: string): void => void output.stderr.write(`${line}\n`);
  const prepared = await prepare(folder, {
    ...readTrainerConfig(),
    textEncoder: values.text,
    imageEncoder: values.image,
    report,
  });
  const { vectors, served } = learn(prepared, { seed, report, fusion, scorer });
  const rule = rulesOf(prepared)[0]!;
  const ranking = chooseRanking(prepared, vectors, RULES[rule]);
  const kind = fusion === "attention" ? ` --fusion attention --scorer ${scorer}` : "";
  const createdBy = `train --dataset ${basename(resolve(folder))} --seed ${seed}${kind}`;
  const trained = await trainedBundle(prepared, vectors, ranking, createdBy, served);
  await writeBundleFolder(out, trained, prepared.dataset.itemIds, {
    createdBy,
    interactionsSha256: await fingerprint(prepared.dataset),
    ranking,
    test: rulesOf(prepared).map((name) => vectorRow(prepared, "full", name, [vectors])),
  });
  output.stdout.write(`${trained.bundle.id}\t${out}\n`);
}

interface Wanted extends LearnOptions {
  readonly fusion: (typeof FUSIONS)[number];
  readonly scorer: (typeof SCORERS)[number];
}

function learn(
  prepared: Prepared,
  { fusion, scorer, ...options }: Wanted,
): { readonly vectors: Matrix; readonly served?: ServedFusion } {
  if (fusion === "combined") return { vectors: learnVectors(prepared, options) };
  const learned = learnFusion(prepared, { ...options, weights: "attention", scorer });
  return { vectors: learned.vectors, served: nativeFusion(prepared, learned) };
}

function oneOf<const Choice extends string>(
  option: string,
  value: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((each) => each === value);
  if (choice !== undefined) return choice;
  throw new MarquetryError(
    "invalid",
    `${option}: expected one of ${choices.join(", ")}, got "${value}"`,
  );
}

/** Of the interactions, whatever files they came in. */
function fingerprint({ itemIds, splits }: Dataset): Promise<string> {
  const lists = [splits.train, splits.valid, splits.test].map((part) =>
    part.map((list) => Array.from(list)),
  );
  return sha256Hex(new TextEncoder().encode(JSON.stringify([itemIds, lists])));
}
