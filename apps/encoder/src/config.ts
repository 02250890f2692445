import { RETRY_ATTEMPTS_MAX } from "@marquetry/contracts/topics";
import { integer, readConfig, serviceConfig, url } from "@marquetry/runtime/config";
import { modelsDirectory } from "@marquetry/runtime/directories";
import { z } from "zod";
import { CONTENT_MODALITIES } from "@marquetry/contracts/modalities";
import type { ContentModality } from "@marquetry/contracts/modalities";

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

function isModality(name: string): name is ContentModality {
  return (CONTENT_MODALITIES as readonly string[]).includes(name);
}

function modalities() {
  const expected = `expected some of ${CONTENT_MODALITIES.join(", ")}, separated by commas`;
  return z
    .string()
    .transform((list) => list.split(",").map((name) => name.trim()))
    .refine((names): names is ContentModality[] => names.every(isModality), expected)
    .transform((names) => [...new Set(names)])
    .optional();
}

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Pauses such as `30s,10m,1h`, in milliseconds; `none` for no attempt but the first. */
function delays(preset: string) {
  const expected = `expected up to ${RETRY_ATTEMPTS_MAX} pauses such as 30s,10m,1h, or none`;
  const one = /^([1-9]\d{0,5})(ms|s|m|h|d)$/;
  return z
    .string()
    .default(preset)
    .transform((list) => (list === "none" ? [] : list.split(",").map((each) => each.trim())))
    .refine((list) => list.length <= RETRY_ATTEMPTS_MAX && list.every((x) => one.test(x)), expected)
    .transform((list) =>
      list.map((each) => {
        const [, count, unit] = one.exec(each) ?? [];
        return Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
      }),
    );
}

const schema = z.object({
  ...serviceConfig,
  EVENT_BUS_URL: url("kafka", "memory"),
  /** 0 takes a free port. */
  GRPC_PORT: integer(0, 65_535).default(50_052),
  /** Calls at work at once; further ones are answered RESOURCE_EXHAUSTED. */
  CALLS_MAX: integer(1, 100_000).default(64),
  /** Where `npm run models` put the encoders, one folder each. Default: in the user's cache. */
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
  /** What this deployment encodes of products. Default: all that it has an encoder for. */
  ENCODER_MODALITIES: modalities(),
  /** Consumers in this process. Those of all replicas are of use up to one per partition. */
  ENCODER_CONSUMERS: integer(1, 64).default(2),
  /** What is not encoded within this time has failed for now. */
  ENCODER_TIMEOUT_MS: integer(1, 3_600_000).default(60_000),
  /** Pauses before each further attempt at what may pass. */
  ENCODER_RETRY_DELAYS: delays("1m,10m,1h"),
  /** Where embeddings are kept so that known content is not encoded again. */
  EMBEDDING_CACHE_URL: url("memory", "redis", "rediss").default("memory:"),
  EMBEDDING_CACHE_MB: integer(1, 1_048_576).default(256),
  EMBEDDING_CACHE_TTL_DAYS: integer(1, 3_650).default(30),
  /** `file:` media are read below this folder only; without it they are refused. */
  MEDIA_FILE_ROOT: z.string().optional(),
  /** Hosts from which `http:` and `https:` media are read, separated by commas. Default: none. */
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
  return Object.freeze({ ...config, MODELS_DIR: modelsDirectory(env) });
}

/** Modalities that a configuration leaves out are other deployments' work. */
export function encodesAllModalities({ ENCODER_MODALITIES: chosen }: EncoderConfig): boolean {
  return chosen === undefined || CONTENT_MODALITIES.every((modality) => chosen.includes(modality));
}
