/** `npm run demo`: a catalogue in, shoppers' interactions in, recommendations out, in one process. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { fetchEncoders } from "@marquetry/infra/models";
import { modelsDirectory } from "@marquetry/runtime/directories";
import { describeError } from "@marquetry/runtime/errors";
import { readCatalogue } from "./catalogue.js";
import { formatDocument } from "./demo-document.js";
import { startPlatform } from "./platform.js";
import { playDemo } from "./play-demo.js";
import { fetchSampleCatalogue, sampleCatalogueDirectory } from "./sample-catalogue.js";
import { startStopwatch } from "./stopwatch.js";

const HELP = `npm run demo [-- OPTIONS]

Starts the whole platform in one process, loads a catalogue of photographed products, replays
simulated shoppers and prints what three of them get. Then it serves gRPC until Ctrl-C.

  --once         end after printing
  --json         print one JSON document and nothing else on stdout (with --once)
  --catalog DIR  a folder with products.csv (id, title, description, categories, brand, price, image,
                 parent) and pictures, instead of the sample catalogue
  --port N       gRPC port. Default: 50051.
  --help         this text
`;

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      once: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      catalog: { type: "string" },
      port: { type: "string", default: "50051" },
      help: { type: "boolean", default: false },
    },
  });
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const report = (line: string): void => void process.stderr.write(`${line}\n`);
  const stopwatch = startStopwatch();

  const models = modelsDirectory(process.env);
  await fetchEncoders({ directory: models, report });
  stopwatch.lap("encoders");
  const directory =
    options.catalog === undefined
      ? sampleCatalogueDirectory(process.env)
      : resolve(process.env["INIT_CWD"] ?? ".", options.catalog);
  if (options.catalog === undefined) await fetchSampleCatalogue(directory, report);
  const catalogue = await readCatalogue(directory);
  stopwatch.lap("catalogue");

  const failed = Promise.withResolvers<never>();
  const environment = {
    LOG_LEVEL: options.json ? "silent" : "error",
    MODELS_DIR: models,
    MEDIA_FILE_ROOT: directory,
    GRPC_PORT: options.port,
  };
  const platform = await startPlatform({ environment, fail: failed.reject });
  try {
    stopwatch.lap("start");
    const document = await Promise.race([
      playDemo({ platform, catalogue, directory, stopwatch, report }),
      failed.promise,
    ]);
    process.stdout.write(options.json ? `${JSON.stringify(document)}\n` : formatDocument(document));
    if (options.once) return;
    report(`\nserving gRPC on 127.0.0.1:${platform.grpcPort}; Ctrl-C ends`);
    await Promise.race([untilSignal(), failed.promise]);
  } finally {
    await platform.close();
  }
}

function untilSignal(): Promise<void> {
  return new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => done());
  });
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    process.stderr.write(`demo: ${describeError(error)}\n`);
    process.exit(1);
  },
);
