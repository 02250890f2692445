/** `npm run models`: the pretrained encoders on this machine. */
import { parseArgs } from "node:util";
import { modelsDirectory } from "@marquetry/runtime/directories";
import { fetchEncoders } from "./models.js";

const usage = `Fetches the pretrained encoders, checks them and puts each in a folder of its own.

  npm run models -- [--dir DIR] [--only ID]...

  --dir DIR   where to (default: MODELS_DIR or marquetry/models in the user's cache)
  --only ID   this encoder instead of the default ones; may be repeated.
              all-minilm-l6-v2-int8 (default), efficientnet-lite0 (default),
              efficientnet-lite0-frames (default, for videos; brings efficientnet-lite0),
              all-minilm-l6-v2-w8, efficientnet-lite1, efficientnet-lite2,
              clip-vit-b32-text, clip-vit-b32-image (a pair; need the hub, their first bytes are
              trusted)
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      dir: { type: "string" },
      only: { type: "string", multiple: true },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return void process.stdout.write(usage);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop.abort());
  const encoders = await fetchEncoders({
    directory: values.dir ?? modelsDirectory(process.env),
    ...(values.only && { only: values.only }),
    report: (line) => process.stderr.write(`${line}\n`),
    signal: stop.signal,
  });
  for (const { id, modality, directory } of encoders) {
    process.stdout.write(`${modality}\t${id}\t${directory}\n`);
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
