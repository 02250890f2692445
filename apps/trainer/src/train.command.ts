import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { sha256Hex } from "@marquetry/model/bundle/digest";
import type { Matrix } from "@marquetry/model/vectors/matrix";
import { MarquetryError } from "@marquetry/runtime/errors";
import { assertNothingAt, writeBundleFolder } from "@marquetry/learning/bundle/bundle-folder";
import type { ServedFusion } from "@marquetry/learning/bundle/distil";
import { nativeFusion } from "@marquetry/learning/bundle/native-fusion";
import { attentionInterests } from "@marquetry/learning/scoring/served-interests";
import { draftBundle, sealBundle } from "@marquetry/learning/bundle/trained-bundle";
import { assertOneSource, preparedFor, SOURCE_HELP, SOURCE_OPTIONS } from "./data-source.js";
import type { Dataset } from "@marquetry/learning/dataset";
import { countOf } from "./evaluate.command.js";
import type { CommandOutput } from "./evaluate.command.js";
import { mainCutoff } from "@marquetry/learning/scoring/choose";
import { bundleMetrics, rowTables } from "@marquetry/learning/experiments/report";
import { chooseFreshness, withFreshness } from "@marquetry/learning/experiments/choose-freshness";
import { learnFusion, learnVectors } from "@marquetry/learning/learn";
import type { LearnOptions } from "@marquetry/learning/learn";
import { chooseRanking, usersOf } from "@marquetry/learning/scoring/ranking";
import type { LearnedUsers } from "@marquetry/learning/scoring/ranking";
import { INTEREST_KINDS, learnInterests } from "@marquetry/learning/learn/learn-sequence";
import type { InterestKind, LearnedInterests } from "@marquetry/learning/learn/learn-sequence";
import {
  bundleRows,
  popularityRows,
  HISTORY_POLICIES,
  historyPoliciesOf,
} from "@marquetry/learning/experiments/methods";
import { fittedTo } from "@marquetry/learning/experiments/reranked-rows";
import type { FittedRanking } from "@marquetry/learning/experiments/reranked-rows";
import type { Prepared } from "@marquetry/learning/representation/prepare";

const FUSIONS = ["combined", "attention"] as const;
/** tau of the alignment loss, as of the other one. */
const ALIGNMENT_TEMPERATURE = 0.15;
const INTERESTS = ["recency", "attention", ...INTEREST_KINDS] as const;
const SCORERS = ["linear", "bilinear", "tanh"] as const;

const HELP = `npm run train -- --dataset DIR --out DIR [OPTIONS]
npm run train -- --from-system --out DIR [OPTIONS]

Learns one vector per product from the dataset's training part, or from what the running system has,
chooses on the validation part, and writes a bundle: manifest.json and weights.safetensors for the
services, behaviour.json and behaviour.safetensors for npm run export, report.json with the figures.
Data in order of time give a re-ranker too, where it improves the validation part.

  --out DIR       where the bundle goes; nothing may be there yet
  --seed N        1 unless told; the same seed gives the same bundle
  --fusion KIND   combined (unless told): several models, closed forms and neighbours, expressed as
                  a weighted sum; or attention: one model, whose learned weights the services use
  --scorer KIND   of the attention: linear (unless told), bilinear or tanh
  --interests KIND  recency (unless told): by what was newest; own-code: the same, and vectors that
                  keep what somebody just had away; sequence: a causal transformer on top of it, which
                  takes minutes; attention, with --fusion attention: by what and of which action a
                  behaviour is, too. Own-code and sequence are for data in order of time
  --towers        with --fusion attention: users and products go through a learned tower each
  --alignment W   with --fusion attention: weight of the loss that brings a product's modalities
                  together (InfoNCE), 0 unless told
  --checkpoint DIR  keeps what is learned there after every epoch, and goes on from it
  --help          this text

${SOURCE_HELP}
Ends with a table of the bundle's figures on the test part, beside those of popularity.
`;

export async function runTrain(args: readonly string[], output: CommandOutput): Promise<void> {
  const values = valuesOf(args);
  if (values.help) return void output.stdout.write(HELP);
  const wanted = wantedOf(values);
  const { out, seed, interests } = wanted;
  await assertNothingAt(out);
  const report = (line: string): void => void output.stderr.write(`${line}\n`);
  const prepared = await preparedFor(values, report);
  if (isOnTop(interests) && !prepared.dataset.ordered) {
    const message = `--interests ${interests}: expected data in order of time`;
    throw new MarquetryError("invalid", message);
  }
  const data = await fingerprint(prepared.dataset);
  const { checkpoint } = values;
  const options: LearnOptions = {
    seed,
    report,
    ...(checkpoint !== undefined && { checkpoints: { directory: checkpoint, data } }),
  };
  const learned = await learn(prepared, wanted, options);
  const { vectors, ranking, pooling, fitted }: Interests = isOnTop(interests)
    ? learnInterests(prepared, learned.vectors, interests, options)
    : byPooling(prepared, learned);
  const createdBy = described(values, wanted);
  const serving = {
    served: learned.served,
    reranker: fitted?.model,
    neighbours: fitted?.neighbours,
    pooling,
  };
  const draft = await draftBundle(prepared, vectors, ranking, createdBy, serving);
  const freshness = await chooseFreshness(prepared, draft);
  const folder =
    freshness === undefined ? draft : { ...draft, bundle: withFreshness(draft.bundle, freshness) };
  const popularity = [...popularityRows(prepared)];
  const ours = await bundleRows(prepared, folder, "the bundle");
  const training = { interactionsSha256: data, metrics: bundleMetrics(ours, popularity) };
  const trained = await sealBundle(folder, prepared, vectors, training);
  await writeBundleFolder(out, trained, prepared.dataset.itemIds, {
    createdBy,
    interactionsSha256: data,
    ranking: { ...ranking, ...(freshness && { freshness }) },
    ...(fitted !== undefined && { reranker: fitted.validation }),
    test: [...ours, ...popularity],
  });
  report(rowTables([...popularity, ...ours], mainCutoff(prepared.dataset)).join("\n"));
  output.stdout.write(`${trained.bundle.id}\t${out}\n`);
}

type Values = ReturnType<typeof valuesOf>;

function valuesOf(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
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
    },
  }).values;
}

interface Wanted {
  readonly out: string;
  readonly seed: number;
  readonly fusion: (typeof FUSIONS)[number];
  readonly scorer: (typeof SCORERS)[number];
  readonly interests: (typeof INTERESTS)[number];
  readonly towers: boolean;
  /** Weight of the alignment loss. */
  readonly alignment: number;
}

/** @throws MarquetryError `invalid` for a wrong value, or for values that do not go together */
function wantedOf(values: Values): Wanted {
  const { out, towers } = values;
  assertOneSource(values);
  if (out === undefined) throw new MarquetryError("invalid", "--out is missing");
  const seed = countOf("--seed", values.seed);
  const fusion = oneOf("--fusion", values.fusion, FUSIONS);
  const scorer = oneOf("--scorer", values.scorer, SCORERS);
  const interests = oneOf("--interests", values.interests, INTERESTS);
  const expected = isOnTop(interests) ? "combined" : interests === "attention" ? interests : fusion;
  if (fusion !== expected) {
    throw new MarquetryError("invalid", `--interests ${interests}: expected --fusion ${expected}`);
  }
  const alignment = Number(values.alignment);
  if (!(alignment >= 0 && alignment < Infinity)) {
    const message = `--alignment: expected a number of at least 0, got "${values.alignment}"`;
    throw new MarquetryError("invalid", message);
  }
  if (fusion === "combined" && (towers || alignment > 0)) {
    const message = "--towers and --alignment: expected --fusion attention too";
    throw new MarquetryError("invalid", message);
  }
  return { out, seed, fusion, scorer, interests, towers, alignment };
}

/** The command, as far as the result depends on it. */
function described({ dataset }: Values, wanted: Wanted): string {
  const { seed, fusion, scorer, interests, towers, alignment } = wanted;
  const source =
    dataset === undefined ? "--from-system" : `--dataset ${basename(resolve(dataset))}`;
  const kind =
    fusion === "attention"
      ? ` --fusion attention --scorer ${scorer} --alignment ${alignment}${towers ? " --towers" : ""}`
      : "";
  const pooled = interests === "recency" ? "" : ` --interests ${interests}`;
  return `train ${source} --seed ${seed}${kind}${pooled}`;
}

/** Interests that are learned on top of finished vectors. */
function isOnTop(interests: Wanted["interests"]): interests is InterestKind {
  return INTEREST_KINDS.some((kind) => kind === interests);
}

/** By recency, and by learned weights where there are. */
function byPooling(prepared: Prepared, { vectors, users }: Learned): Interests {
  const fitted = fittedTo(prepared, vectors, users);
  const rule = historyPoliciesOf(prepared)[0]!;
  const ranking =
    fitted?.ranking ?? chooseRanking(prepared, vectors, HISTORY_POLICIES[rule], undefined, users);
  const { interests } = users;
  const pooling = interests && attentionInterests(vectors, ranking.decay, interests);
  return { vectors, ranking, ...(pooling && { pooling }), ...(fitted && { fitted }) };
}

/** A re-ranker is fitted to pooled interests alone. */
interface Interests extends Omit<LearnedInterests, "pooling"> {
  readonly pooling?: LearnedInterests["pooling"];
  readonly fitted?: FittedRanking;
}

interface Learned {
  readonly vectors: Matrix;
  readonly served?: ServedFusion;
  readonly users: LearnedUsers;
}

async function learn(prepared: Prepared, wanted: Wanted, options: LearnOptions): Promise<Learned> {
  const { scorer, towers, alignment } = wanted;
  if (wanted.fusion === "combined") {
    return { vectors: await learnVectors(prepared, options), users: {} };
  }
  const learned = learnFusion(prepared, {
    ...options,
    weights: "attention",
    scorer,
    towers,
    interests: wanted.interests === "attention",
    alignment: { weight: alignment, temperature: ALIGNMENT_TEMPERATURE },
  });
  return {
    vectors: learned.vectors,
    served: nativeFusion(prepared, learned),
    users: usersOf(learned.shape, learned.parameters),
  };
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
