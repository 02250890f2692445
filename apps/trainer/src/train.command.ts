import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { sha256Hex } from "@marquetry/model/digest";
import { MarquetryError } from "@marquetry/runtime/errors";
import { assertNothingAt, writeBundleFolder } from "./bundle/bundle-folder.js";
import { trainedBundle } from "./bundle/trained-bundle.js";
import { readTrainerConfig } from "./config.js";
import type { Dataset } from "./dataset/dataset.js";
import { countOf, DEFAULT_TEXT_ENCODER } from "./evaluate.command.js";
import type { CommandOutput } from "./evaluate.command.js";
import { chooseRanking, learnVectors } from "./recipe/learn.js";
import { bundleRows, RULES, rulesOf, vectorRow } from "./recipe/methods.js";
import { prepare } from "./recipe/prepare.js";
import { fittedTo } from "./recipe/reranked-rows.js";

const HELP = `npm run train -- --dataset DIR --out DIR [OPTIONS]

Learns one vector per product from the dataset's training part, chooses on its validation part, and
writes a bundle: manifest.json and weights.safetensors for the services, behaviour.json and
behaviour.safetensors to be published as modality vectors, report.json with the figures. Data in order
of time give a re-ranker too, where it improves the validation part.

  --dataset DIR   as for evaluate
  --out DIR       where the bundle goes; nothing may be there yet
  --seed N        1 unless told; the same seed gives the same bundle
  --text ID       encoder of texts, all-minilm-l6-v2-int8 unless told
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
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void output.stdout.write(HELP);
  const { dataset: folder, out } = values;
  if (folder === undefined || out === undefined) {
    throw new MarquetryError("invalid", "--dataset and --out are both needed");
  }
  const seed = countOf("--seed", values.seed);
  await assertNothingAt(out);
  const report = (line: string): void => void output.stderr.write(`${line}\n`);
  const prepared = await prepare(folder, {
    ...readTrainerConfig(),
    textEncoder: values.text,
    report,
  });
  const vectors = learnVectors(prepared, { seed, report });
  const rule = prepared.dataset.ordered ? "own-penalty" : "masked";
  const ranking = chooseRanking(prepared, vectors, RULES[rule]);
  const fitted = fittedTo(prepared, vectors, ranking);
  const createdBy = `train --dataset ${basename(resolve(folder))} --seed ${seed}`;
  const trained = await trainedBundle(prepared, vectors, ranking, createdBy, fitted?.model);
  await writeBundleFolder(out, trained, prepared.dataset.itemIds, {
    createdBy,
    interactionsSha256: await fingerprint(prepared.dataset),
    ranking,
    ...(fitted !== undefined && { reranker: fitted.validation }),
    test: [
      ...rulesOf(prepared).map((name) => vectorRow(prepared, "full", name, [vectors])),
      ...bundleRows(prepared, trained),
    ],
  });
  output.stdout.write(`${trained.bundle.id}\t${out}\n`);
}

/** Of the interactions, whatever files they came in. */
function fingerprint({ itemIds, splits }: Dataset): Promise<string> {
  const lists = [splits.train, splits.valid, splits.test].map((part) =>
    part.map((list) => Array.from(list)),
  );
  return sha256Hex(new TextEncoder().encode(JSON.stringify([itemIds, lists])));
}
