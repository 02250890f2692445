import { assertNothingAt, writeBundleFolder } from "@marquetry/learning/bundle/bundle-folder";
import { learnBundle } from "@marquetry/learning/bundle/learn-bundle";
import { methodTables } from "@marquetry/learning/report/tables";
import { progressOf } from "./command-output.js";
import type { CommandOutput } from "./command-output.js";
import { prepareSource } from "./data-source.js";
import { TRAIN_HELP, trainOptionsOf } from "./train.options.js";

export async function runTrain(args: readonly string[], output: CommandOutput): Promise<void> {
  const options = trainOptionsOf(args);
  if (options === undefined) return void output.stdout.write(TRAIN_HELP);
  const { source, out, model, seed, createdBy, checkpoint } = options;
  await assertNothingAt(out);
  const report = progressOf(output);
  const prepared = await prepareSource(source, report);
  const learned = await learnBundle(prepared, model, { seed, createdBy, checkpoint, report });
  await writeBundleFolder(out, learned.trained, learned.report);
  report(methodTables(learned.results, prepared.dataset).join("\n"));
  output.stdout.write(`${learned.trained.bundle.id}\t${out}\n`);
}
