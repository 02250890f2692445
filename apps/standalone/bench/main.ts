/** `npm run bench`: how fast the parts are, next to what bounds them. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fetchEncoders } from "@marquetry/infra/models";
import { modelsDirectory } from "@marquetry/runtime/directories";
import { DEFAULT_ENCODERS } from "@marquetry/model/bundle/zero-shot";
import { describeError } from "@marquetry/runtime/errors";
import type { PlatformEnvironment } from "../src/platform.js";
import { ENCODER_PARTS } from "./encoder/parts.js";
import { createReport, environmentOf } from "./figures.js";
import { benchParity } from "./parity/bench-parity.js";

const HELP = `npm run bench -- encoder [OPTIONS]
npm run bench -- parity --dataset DIR --bundle DIR [OPTIONS]

Measures and prints figures with their goals. Progress goes to stderr.

  encoder        service against a bare ONNX Runtime loop, cached re-run, memory, the online door
  parity         a dataset's test users asked of the running services, beside the trainer's figures
  all            every benchmark that needs no trained bundle

  --json         one JSON document per line and figure, nothing else on stdout
  --quick        fewer contents: minutes less, and noisier
  --part NAME    one part of the benchmark: ${Object.keys(ENCODER_PARTS).join(", ")}
  --encodes N    encodes over which memory is watched; 50,000 unless told, 10,000 with --quick
  --workers N    worker threads per encoder, one per core unless told
  --data DIR     folder with magento-luma and amazon-scientific; MARQUETRY_DATA_DIR or
                 ../shared/data beside the checkout unless told

  Of parity:
  --dataset DIR  as for npm run train
  --bundle DIR   what npm run train wrote for it
  --users N      1,000 unless told
  --text ID, --image ID
                 encoders of texts and pictures, the defaults of npm run models unless told
  --event-bus-url, --vector-index-url, --profile-store-url
                 all three: on real servers rather than in process

  --help         this text

Exit status 0 means that it ran, not that every goal holds.
`;

async function main(): Promise<number> {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      part: { type: "string" },
      encodes: { type: "string" },
      workers: { type: "string", default: String(availableParallelism()) },
      data: { type: "string" },
      dataset: { type: "string" },
      bundle: { type: "string" },
      users: { type: "string", default: "1000" },
      text: { type: "string", default: DEFAULT_ENCODERS.text.encoder },
      image: { type: "string", default: DEFAULT_ENCODERS.image.encoder },
      "event-bus-url": { type: "string" },
      "vector-index-url": { type: "string" },
      "profile-store-url": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [name = "", ...others] = positionals;
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  if (name === "parity" && others.length === 0) return runParity(options, progress);
  const workers = Number(options.workers);
  const { part, quick } = options;
  const encodes = Number(options.encodes ?? (quick ? 10_000 : 50_000));
  const run = part === undefined ? undefined : ENCODER_PARTS[part];
  const named = ["encoder", "all"].includes(name) && others.length === 0;
  const known = part === undefined || run !== undefined;
  if (!named || !known || !(workers >= 1) || !(encodes >= 1_000)) {
    process.stderr.write(HELP);
    return 2;
  }
  const data = resolve(
    options.data ?? process.env["MARQUETRY_DATA_DIR"] ?? join("..", "shared", "data"),
  );
  for (const folder of ["magento-luma", "amazon-scientific"])
    if (!existsSync(join(data, folder))) throw new Error(`there is no ${join(data, folder)}`);
  const models = modelsDirectory(process.env);
  if (run === undefined) {
    await fetchEncoders({ directory: models, report: progress });
    return runParts(process.argv.slice(1));
  }
  const environment = environmentOf(["onnxruntime-node", "sharp", "@huggingface/tokenizers"]);
  progress(
    Object.entries({ ...environment, workers })
      .map((pair) => pair.join(" "))
      .join(", "),
  );
  const report = createReport(options.json, { ...environment, workers });
  await run({ data, models, workers, encodes, quick, progress, report });
  return 0;
}

interface ParityArguments {
  readonly dataset?: string | undefined;
  readonly bundle?: string | undefined;
  readonly users: string;
  readonly text: string;
  readonly image: string;
  readonly json: boolean;
  readonly "event-bus-url"?: string | undefined;
  readonly "vector-index-url"?: string | undefined;
  readonly "profile-store-url"?: string | undefined;
}

async function runParity(
  options: ParityArguments,
  progress: (line: string) => void,
): Promise<number> {
  const { dataset, bundle, text: textEncoder, image: imageEncoder } = options;
  const users = Number(options.users);
  const urls = [
    ["EVENT_BUS_URL", options["event-bus-url"]],
    ["VECTOR_INDEX_URL", options["vector-index-url"]],
    ["PROFILE_STORE_URL", options["profile-store-url"]],
  ].filter(([, url]) => url !== undefined);
  const someMissing = urls.length > 0 && urls.length < 3;
  if (dataset === undefined || bundle === undefined || !(users >= 1) || someMissing) {
    process.stderr.write(HELP);
    return 2;
  }
  const report = createReport(options.json, environmentOf([]));
  const encoders = { textEncoder, imageEncoder };
  const servers = Object.fromEntries(urls) as PlatformEnvironment;
  await benchParity({ dataset, bundle, users, ...encoders, servers, progress, report });
  return 0;
}

function runParts(args: readonly string[]): number {
  for (const part of Object.keys(ENCODER_PARTS)) {
    const { status } = spawnSync(process.execPath, [...args, "--part", part], { stdio: "inherit" });
    if (status !== 0) return status ?? 1;
  }
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exitCode = 1;
}
