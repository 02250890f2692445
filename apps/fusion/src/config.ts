import { readConfig, serviceConfig, url } from "@marquetry/runtime/config";
import { z } from "zod";

const schema = z.object({
  ...serviceConfig,
  EVENT_BUS_URL: url("kafka", "memory"),
  VECTOR_INDEX_URL: url("http", "https", "memory"),
  VECTOR_INDEX_API_KEY: z.string().optional(),
  /** A trained bundle; the zero-shot bundle of the default encoders without it. */
  BUNDLE_DIR: z.string().optional(),
});

export type FusionConfig = z.output<typeof schema>;

export function readFusionConfig(env: NodeJS.ProcessEnv = process.env): Readonly<FusionConfig> {
  return readConfig(schema, env);
}
