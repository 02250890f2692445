/** Options of where the data come from that a command learns from or measures on: a folder, or the
 * running system. */
import type { parseArgs } from "node:util";
import { MarquetryError } from "@marquetry/runtime/errors";
import { readSystemConfig } from "./config.js";
import type { SystemConfig } from "./config.js";

/** Where the running system is. */
export const SYSTEM_OPTIONS = {
  "event-bus-url": { type: "string" },
  "vector-index-url": { type: "string" },
} as const;

export const SYSTEM_HELP = `  --event-bus-url URL      kafka://host:port. Default: EVENT_BUS_URL
  --vector-index-url URL   http://host:port. Default: VECTOR_INDEX_URL (VECTOR_INDEX_API_KEY too)
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
  --dataset DIR   a folder with dataset.json (see packages/learning/src/dataset/descriptor.ts),
                  RecBole's *.train.inter or train.tsv, valid.tsv, test.tsv
  --text ID       encoder of texts. Default: ${SOURCE_OPTIONS.text.default}
  --image ID      encoder of images. Default: ${SOURCE_OPTIONS.image.default}

From the running system (--from-system): products and their vectors from the index, interactions from
the whole clickstream topic up to now. The last product of a user is the test, the last but one the
validation.
  --running-bundle DIR     the bundle that fusion runs with. Default: the zero-shot bundle
  --name NAME              name of the data. Default: ${SOURCE_OPTIONS.name.default}
${SYSTEM_HELP}`;

export type SourceValues = ReturnType<
  typeof parseArgs<{ readonly options: typeof SOURCE_OPTIONS }>
>["values"];

/** @throws MarquetryError `invalid` where both sources are named, or none */
export function assertOneSource(values: SourceValues): void {
  if (values["from-system"] !== (values.dataset !== undefined)) return;
  throw new MarquetryError("invalid", "expected either --dataset or --from-system");
}
