import { homedir } from "node:os";
import { join } from "node:path";
import { integer, readConfig, serviceConfig, url } from "@marquetry/runtime/config";
import { z } from "zod";

function hosts() {
  return z
    .string()
    .default("")
    .transform((names) => names.split(",").map((name) => name.trim().toLowerCase()))
    .transform((names) => names.filter((name) => name !== ""));
}

/** The folder below MODELS_DIR, which has the encoder's id for a name. */
function encoderId() {
  return z.string().optional();
}

const schema = z.object({
  ...serviceConfig,
  EVENT_BUS_URL: url("kafka", "memory"),
  /** 0 takes a free port. */
  GRPC_PORT: integer(0, 65_535).default(50_052),
  /** Calls at work at once; further ones are answered RESOURCE_EXHAUSTED. */
  CALLS_MAX: integer(1, 100_000).default(64),
  /** Where `npm run models` put the encoders, one folder each. */
  MODELS_DIR: z.string().optional(),
  XDG_CACHE_HOME: z.string().optional(),
  /** Names the encoders in use; without it they are those of the zero-shot bundle. */
  BUNDLE_DIR: z.string().optional(),
  ENCODER_TEXT: encoderId(),
  ENCODER_IMAGE: encoderId(),
  /** Without one, here or in the bundle, products have no video modality. */
  ENCODER_VIDEO: encoderId(),
  /** Name or path of the program that decodes videos. */
  ENCODER_FFMPEG: z.string().default("ffmpeg"),
  /** Worker threads per encoder. */
  ENCODER_WORKERS: integer(1, 64).default(1),
  /** Embeddings kept so that unchanged content is not encoded again. */
  EMBEDDING_CACHE_MB: integer(1, 65_536).default(256),
  /** `file:` media are read below this folder only; without it they are refused. */
  MEDIA_FILE_ROOT: z.string().optional(),
  /** Hosts from which `http:` and `https:` media are read, parted by commas; none unless named. */
  MEDIA_HTTP_HOSTS: hosts(),
  /** Those of them that may be at private addresses. */
  MEDIA_PRIVATE_HOSTS: hosts(),
  MEDIA_BYTES_MAX: integer(1, 1_073_741_824).default(16_777_216),
  MEDIA_VIDEO_BYTES_MAX: integer(1, 1_073_741_824).default(67_108_864),
  MEDIA_TIMEOUT_MS: integer(1, 600_000).default(10_000),
  MEDIA_IDLE_MS: integer(1, 600_000).default(3_000),
  MEDIA_HOST_READS_MAX: integer(1, 256).default(4),
});

export type EncoderConfig = z.output<typeof schema> & { readonly MODELS_DIR: string };

export function readEncoderConfig(env: NodeJS.ProcessEnv = process.env): Readonly<EncoderConfig> {
  const config = readConfig(schema, env);
  const cache = config.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const models = config.MODELS_DIR ?? join(cache, "marquetry", "models");
  return Object.freeze({ ...config, MODELS_DIR: models });
}
