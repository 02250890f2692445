import { homedir } from "node:os";
import { join } from "node:path";
import { integer, readConfig, serviceConfig, url } from "@marquetry/runtime/config";
import { z } from "zod";

const schema = z.object({
  ...serviceConfig,
  EVENT_BUS_URL: url("kafka", "memory"),
  /** Where `npm run models` put the encoders, one folder each. */
  MODELS_DIR: z.string().optional(),
  XDG_CACHE_HOME: z.string().optional(),
  ENCODER_TEXT: z.string().default("all-minilm-l6-v2-int8"),
  ENCODER_IMAGE: z.string().default("efficientnet-lite0"),
  /** Worker threads per encoder. */
  ENCODER_WORKERS: integer(1, 64).default(1),
  /** Embeddings kept so that unchanged content is not encoded again. */
  EMBEDDING_CACHE_MB: integer(1, 65_536).default(256),
  /** `file:` media are read below this folder only; without it they are refused. */
  MEDIA_FILE_ROOT: z.string().optional(),
  /** Hosts from which `http:` and `https:` media are read, parted by commas; none unless named. */
  MEDIA_HTTP_HOSTS: z
    .string()
    .default("")
    .transform((hosts) => hosts.split(",").map((host) => host.trim().toLowerCase()))
    .transform((hosts) => hosts.filter((host) => host !== "")),
  MEDIA_BYTES_MAX: integer(1, 1_073_741_824).default(16_777_216),
  MEDIA_TIMEOUT_MS: integer(1, 600_000).default(10_000),
});

export type EncoderConfig = z.output<typeof schema> & { readonly MODELS_DIR: string };

export function readEncoderConfig(env: NodeJS.ProcessEnv = process.env): Readonly<EncoderConfig> {
  const config = readConfig(schema, env);
  const cache = config.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const models = config.MODELS_DIR ?? join(cache, "marquetry", "models");
  return Object.freeze({ ...config, MODELS_DIR: models });
}
