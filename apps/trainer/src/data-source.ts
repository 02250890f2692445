/** Reads the data that a command learns from or measures on. */
import { bundleAt } from "@marquetry/backends/bundle/load";
import { prepare } from "@marquetry/learning/representation/prepare";
import type { Prepared } from "@marquetry/learning/representation/prepare";
import { prepareSystem } from "@marquetry/learning/system/prepare-system";
import { MarquetryError } from "@marquetry/runtime/errors";
import { readTrainerConfig } from "./config.js";
import { systemConfigOf } from "./data-source.options.js";
import type { SourceValues } from "./data-source.options.js";
import { withSystem } from "./open-system.js";

const NAME = /^[a-z0-9][a-z0-9-]{0,40}$/;

/** @throws MarquetryError `invalid` for a wrong value; as `prepare` and `prepareSystem` */
export async function prepareSource(
  values: SourceValues,
  report: (line: string) => void,
): Promise<Prepared> {
  const { dataset, text, image, name } = values;
  if (dataset !== undefined) {
    const encoders = { textEncoder: text, imageEncoder: image };
    return prepare(dataset, { ...readTrainerConfig(), ...encoders, report });
  }
  if (!NAME.test(name)) {
    throw new MarquetryError("invalid", `--name: expected ${NAME}, got "${name}"`);
  }
  const bundle = await bundleAt(values["running-bundle"]);
  return withSystem(systemConfigOf(values), (system) =>
    prepareSystem({ ...system, bundle, name, report }),
  );
}
