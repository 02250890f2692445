import { readCollaborativeFiles } from "@marquetry/learning/bundle/bundle-folder";
import { exportCollaborative } from "@marquetry/learning/system/export-collaborative";
import { progressOf } from "./command-output.js";
import type { CommandOutput } from "./command-output.js";
import { EXPORT_HELP, exportOptionsOf } from "./export.options.js";
import { withSystem } from "./open-system.js";

export async function runExport(args: readonly string[], output: CommandOutput): Promise<void> {
  const options = exportOptionsOf(args);
  if (options === undefined) return void output.stdout.write(EXPORT_HELP);
  const files = await readCollaborativeFiles(options.bundle);
  const report = progressOf(output);
  const counts = await withSystem(options.system, (system) =>
    exportCollaborative({ ...files, ...system, report }),
  );
  const fields = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  output.stdout.write(`${[files.bundle.id, ...fields].join("\t")}\n`);
}
