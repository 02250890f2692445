import { integer, readConfig, serviceConfig, url } from "@marquetry/runtime/config";
import { z } from "zod";

const schema = z.object({
  ...serviceConfig,
  VECTOR_INDEX_URL: url("http", "https", "memory"),
  VECTOR_INDEX_API_KEY: z.string().optional(),
  PROFILE_STORE_URL: url("redis", "rediss", "memory"),
  /** 0: any free port. */
  GRPC_PORT: integer(0, 65_535).default(50_051),
  /** Calls at once. Further ones get RESOURCE_EXHAUSTED. */
  CALLS_MAX: integer(1, 100_000).default(256),
  /** Folder of a trained bundle. Default: the zero-shot bundle of the default encoders. */
  BUNDLE_DIR: z.string().optional(),
});

export type RankingGatewayConfig = z.output<typeof schema>;

export function readRankingGatewayConfig(
  env: NodeJS.ProcessEnv = process.env,
): Readonly<RankingGatewayConfig> {
  return readConfig(schema, env);
}
