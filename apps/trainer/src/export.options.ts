import { systemConfigOf, SYSTEM_HELP, SYSTEM_OPTIONS } from "./data-source.options.js";
import type { SystemConfig } from "./config.js";
import { parseOptions, required } from "./option-values.js";

export const EXPORT_HELP = `npm run export -- --bundle DIR [OPTIONS]

Publishes a trained bundle's collaborative vectors to marquetry.product-embeddings.v1. Fusion reads
them like any other modality. Products of the catalogue without interactions get an imputed vector.
Fusion must have started with the bundle, so that its collection holds the catalogue. The command may
be repeated at any time, also after a crash: what is published already does not change.

  --bundle DIR             a bundle that npm run train wrote
${SYSTEM_HELP}  --help                   this text

Prints one line: the bundle, and how many products were published with a trained vector (trained) and
an imputed one (imputed), and how many were skipped because they have no content (bare) or because the
catalogue does not have them (unknown).
`;

interface ExportOptions {
  readonly bundle: string;
  readonly system: SystemConfig;
}

/**
 * @returns undefined where help is requested
 * @throws MarquetryError `invalid` for a wrong value
 */
export function exportOptionsOf(args: readonly string[]): ExportOptions | undefined {
  const values = parseOptions(args, {
    bundle: { type: "string" },
    ...SYSTEM_OPTIONS,
    help: { type: "boolean", default: false },
  });
  if (values.help) return undefined;
  return { bundle: required("--bundle", values.bundle), system: systemConfigOf(values) };
}
