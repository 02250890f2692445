import { join } from "node:path";
import { readConfig, url } from "@marquetry/runtime/config";
import { cacheDirectory, modelsDirectory } from "@marquetry/runtime/directories";
import { z } from "zod";

const systemSchema = z.object({
  EVENT_BUS_URL: url("kafka"),
  VECTOR_INDEX_URL: url("http", "https"),
  VECTOR_INDEX_API_KEY: z.string().optional(),
});

/** Where the running system is. */
export interface SystemConfig {
  readonly eventBusUrl: string;
  readonly vectorIndexUrl: string;
  readonly vectorIndexApiKey: string | undefined;
}

/** @param given goes before the environment, where it is defined */
export function readSystemConfig(
  given: Readonly<Record<string, string | undefined>>,
  env: NodeJS.ProcessEnv = process.env,
): SystemConfig {
  const told = Object.entries(given).filter(([, value]) => value !== undefined);
  const config = readConfig(systemSchema, { ...env, ...Object.fromEntries(told) });
  return {
    eventBusUrl: config.EVENT_BUS_URL,
    vectorIndexUrl: config.VECTOR_INDEX_URL,
    vectorIndexApiKey: config.VECTOR_INDEX_API_KEY,
  };
}

export interface TrainerConfig {
  /** Pretrained encoders, a folder each; as `npm run models` puts them. */
  readonly modelsDirectory: string;
  /** Encoded texts, by digest. */
  readonly featuresDirectory: string;
}

export function readTrainerConfig(env: NodeJS.ProcessEnv = process.env): TrainerConfig {
  return {
    modelsDirectory: modelsDirectory(env),
    featuresDirectory: join(cacheDirectory(env), "features"),
  };
}
