/** `npm run train`, `npm run evaluate` and `npm run export`. */
import { describeError, MarquetryError } from "@marquetry/runtime/errors";
import { runEvaluate } from "./evaluate.command.js";
import { runExport } from "./export.command.js";
import { runTrain } from "./train.command.js";

const COMMANDS = { train: runTrain, evaluate: runEvaluate, export: runExport };

const [name = "", ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name as keyof typeof COMMANDS] : undefined;
try {
  if (command === undefined) {
    throw new MarquetryError("invalid", "expected one of: train, evaluate, export");
  }
  await command(args, process);
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exitCode = 1;
}
