import { parseArgs } from "node:util";
import { MarquetryError } from "@marquetry/runtime/errors";
import { readCollaborativeFiles } from "@marquetry/learning/bundle/bundle-folder";
import { SYSTEM_HELP, SYSTEM_OPTIONS, systemConfigOf } from "./data-source.js";
import type { CommandOutput } from "./evaluate.command.js";
import { exportCollaborative } from "@marquetry/learning/system/export-collaborative";
import { withSystem } from "./open-system.js";

const HELP = `npm run export -- --bundle DIR [OPTIONS]

Publishes a trained bundle's behaviour vectors to marquetry.product-embeddings.v1, where fusion takes
them like any other modality; products of the catalogue that nobody had get an imputed one. Fusion
must have started with the bundle, so that its collection holds the catalogue. May be run again at
any time, also after a crash: what is there already does not change.

  --bundle DIR             a bundle that npm run train wrote
${SYSTEM_HELP}  --help                   this text

Prints one line: the bundle, and how many products were published with a trained and an imputed
vector and left out for want of content and because the catalogue does not have them.
`;

export async function runExport(args: readonly string[], output: CommandOutput): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      bundle: { type: "string" },
      ...SYSTEM_OPTIONS,
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void output.stdout.write(HELP);
  if (values.bundle === undefined) throw new MarquetryError("invalid", "--bundle is missing");
  const config = systemConfigOf(values);
  const files = await readCollaborativeFiles(values.bundle);
  const report = (line: string): void => void output.stderr.write(`${line}\n`);
  const counts = await withSystem(config, (system) =>
    exportCollaborative({ ...files, ...system, report }),
  );
  const told = Object.entries(counts).map(([what, count]) => `${what} ${count}`);
  output.stdout.write(`${[files.bundle.id, ...told].join("\t")}\n`);
}
