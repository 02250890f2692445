/** Where the data come from that a command learns from or measures by: a folder, or the running
 * system. */
import type { parseArgs } from "node:util";
import { MarquetryError } from "@marquetry/runtime/errors";
import { readSystemConfig, readTrainerConfig } from "./config.js";
import type { SystemConfig } from "./config.js";
import { prepare } from "@marquetry/learning/representation/prepare";
import type { Prepared } from "@marquetry/learning/representation/prepare";
import { prepareFromSystem } from "./open-system.js";

/** Where the running system is. */
export const SYSTEM_OPTIONS = {
  "event-bus-url": { type: "string" },
  "vector-index-url": { type: "string" },
} as const;

export const SYSTEM_HELP = `  --event-bus-url URL      kafka://host:port; EVENT_BUS_URL unless told
  --vector-index-url URL   http://host:port; VECTOR_INDEX_URL unless told (VECTOR_INDEX_API_KEY too)
`;

export function systemConfigOf(values: {
  readonly [option in keyof typeof SYSTEM_OPTIONS]?: string | undefined;
}): SystemConfig {
  return readSystemConfig({
    EVENT_BUS_URL: values["event-bus-url"],
    VECTOR_INDEX_URL: values["vector-index-url"],
  });
}

export const SOURCE_OPTIONS = {
  dataset: { type: "string" },
  text: { type: "string", default: "all-minilm-l6-v2-int8" },
  image: { type: "string", default: "efficientnet-lite0" },
  "from-system": { type: "boolean", default: false },
  "running-bundle": { type: "string" },
  name: { type: "string", default: "shop" },
  ...SYSTEM_OPTIONS,
} as const;

export const SOURCE_HELP = `From a folder:
  --dataset DIR   a folder with dataset.json (see apps/trainer/src/dataset/descriptor.ts), RecBole's
                  *.train.inter or train.tsv, valid.tsv, test.tsv
  --text ID       encoder of texts, ${SOURCE_OPTIONS.text.default} unless told
  --image ID      encoder of pictures, ${SOURCE_OPTIONS.image.default} unless told

From the running system (--from-system): products and their vectors from the index, interactions from
the clickstream topic from its start to its end now; the last product of a user is the test, the last
but one the validation.
  --running-bundle DIR     what fusion runs with; the zero-shot bundle unless told
  --name NAME              what the data are called, ${SOURCE_OPTIONS.name.default} unless told
${SYSTEM_HELP}`;

export type SourceValues = ReturnType<
  typeof parseArgs<{ readonly options: typeof SOURCE_OPTIONS }>
>["values"];

const NAME = /^[a-z0-9][a-z0-9-]{0,40}$/;

/** @throws MarquetryError `invalid` where both sources are named, or none */
export function assertOneSource(values: SourceValues): void {
  if (values["from-system"] !== (values.dataset !== undefined)) return;
  throw new MarquetryError("invalid", "expected either --dataset or --from-system");
}

/** @throws MarquetryError `invalid` for a wrong value; as `prepare` and `prepareFromSystem` */
export function preparedFor(
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
  const bundleDirectory = values["running-bundle"];
  return prepareFromSystem({ ...systemConfigOf(values), bundleDirectory, name, report });
}
