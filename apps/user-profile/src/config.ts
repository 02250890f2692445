import { integer, readConfig, serviceConfig, url } from "@marquetry/runtime/config";
import { z } from "zod";

const schema = z.object({
  ...serviceConfig,
  EVENT_BUS_URL: url("kafka", "memory"),
  VECTOR_INDEX_URL: url("http", "https", "memory"),
  VECTOR_INDEX_API_KEY: z.string().optional(),
  PROFILE_STORE_URL: url("redis", "rediss", "memory"),
  /** A profile without an event for so long is forgotten. */
  PROFILE_TTL_DAYS: integer(1, 3650).default(180),
  POPULARITY_PRODUCTS_MAX: integer(1, 100_000_000).default(1_000_000),
  /** A trained bundle; the zero-shot bundle of the default encoders without it. */
  BUNDLE_DIR: z.string().optional(),
});

export type UserProfileConfig = z.output<typeof schema>;

export function readUserProfileConfig(
  env: NodeJS.ProcessEnv = process.env,
): Readonly<UserProfileConfig> {
  return readConfig(schema, env);
}
