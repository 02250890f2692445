/** `npm run bench`: how fast the parts are, next to what bounds them. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fetchEncoders } from "@marquetry/infra/models";
import { modelsDirectory } from "@marquetry/runtime/directories";
import { DEFAULT_ENCODERS } from "@marquetry/model/bundle/zero-shot";
import { describeError, MarquetryError } from "@marquetry/runtime/errors";
import type { PlatformEnvironment } from "../src/platform.js";
import { ENCODER_PARTS } from "./encoder/parts.js";
import { environmentOf } from "./report/environment.js";
import { createReport } from "./report/metrics.js";
import { benchParity } from "./parity/bench-parity.js";

const HELP = `npm run bench -- encoder [OPTIONS]
npm run bench -- parity --dataset DIR --bundle DIR [OPTIONS]

Measures and prints metrics with their goals. Progress goes to stderr.

  encoder        service against a bare ONNX Runtime loop, cached re-run, memory, the online door
  parity         recommendations of the running services for a dataset's test users, beside the
                 trainer's metrics
  all            every benchmark that needs no trained bundle

  --json         one JSON document per line and metric, nothing else on stdout
  --quick        fewer contents: minutes less, and noisier
  --part NAME    one part of the benchmark: ${Object.keys(ENCODER_PARTS).join(", ")}
  --encodes N    encodes over which memory is watched. Default: 50,000, with --quick 10,000.
  --workers N    worker threads per encoder. Default: one per core.
  --data DIR     folder with magento-luma and amazon-scientific. Default: MARQUETRY_DATA_DIR, or
                 ../shared/data beside the checkout.

  Of parity:
  --dataset DIR  as for npm run train
  --bundle DIR   what npm run train wrote for it
  --users N      Default: 1,000.
  --text ID, --image ID
                 encoders of texts and pictures. Default: those of npm run models.
  --event-bus-url, --vector-index-url, --profile-store-url
                 all three: on real servers rather than in process

  --help         this text

Exit status 0 means that it ran, not that every goal holds.
`;

const OPTIONS = {
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
} as const;

type Options = ReturnType<typeof parseOptions>["values"];
type Progress = (line: string) => void;

function parseOptions() {
  return parseArgs({ allowPositionals: true, options: OPTIONS });
}

async function main(): Promise<number> {
  const { values: options, positionals } = parseOptions();
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [name = "", ...others] = positionals;
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  if (others.length > 0) return refuse();
  if (name === "parity") return runParity(options, progress);
  return ["encoder", "all"].includes(name) ? runEncoder(options, progress) : refuse();
}

function refuse(): number {
  process.stderr.write(HELP);
  return 2;
}

async function runEncoder(options: Options, progress: Progress): Promise<number> {
  const { part, quick } = options;
  const workers = Number(options.workers);
  const encodes = Number(options.encodes ?? (quick ? 10_000 : 50_000));
  const run = part === undefined ? undefined : ENCODER_PARTS[part];
  const known = part === undefined || run !== undefined;
  if (!known || !(workers >= 1) || !(encodes >= 1_000)) return refuse();
  const data = resolve(
    options.data ?? process.env["MARQUETRY_DATA_DIR"] ?? join("..", "shared", "data"),
  );
  for (const folder of ["magento-luma", "amazon-scientific"]) {
    if (!existsSync(join(data, folder)))
      throw new MarquetryError("not-found", `there is no ${join(data, folder)}`);
  }
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

/** Each part in a process of its own. */
function runParts(args: readonly string[]): number {
  for (const part of Object.keys(ENCODER_PARTS)) {
    const { status } = spawnSync(process.execPath, [...args, "--part", part], { stdio: "inherit" });
    if (status !== 0) return status ?? 1;
  }
  return 0;
}

async function runParity(options: Options, progress: Progress): Promise<number> {
  const { dataset, bundle, text: textEncoder, image: imageEncoder } = options;
  const users = Number(options.users);
  const urls = [
    ["EVENT_BUS_URL", options["event-bus-url"]],
    ["VECTOR_INDEX_URL", options["vector-index-url"]],
    ["PROFILE_STORE_URL", options["profile-store-url"]],
  ].filter(([, url]) => url !== undefined);
  const someMissing = urls.length > 0 && urls.length < 3;
  if (dataset === undefined || bundle === undefined || !(users >= 1) || someMissing)
    return refuse();
  const report = createReport(options.json, environmentOf([]));
  const encoders = { textEncoder, imageEncoder };
  const servers = Object.fromEntries(urls) as PlatformEnvironment;
  await benchParity({ dataset, bundle, users, ...encoders, servers, progress, report });
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exitCode = 1;
}
